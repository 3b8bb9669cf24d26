/** RPC methods. */
import {text} from './kinds.ts'

export const prefix = text('prefix of RPC subjects (default: loom.rpc)', '<subject>')

export const instance = text('id of the instance to call', '<id>')
