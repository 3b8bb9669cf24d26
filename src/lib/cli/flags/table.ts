/** Flags of commands that show a table. */
import {toggle} from './kinds.ts'

export const tableFlags = {all: toggle('print all rows on a terminal, not the first 200')}
