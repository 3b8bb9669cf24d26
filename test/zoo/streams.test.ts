import {streamLines} from './animal.ts'
import {streams} from './streams.ts'
import {visit} from './visit.ts'

visit('streams', streams, streamLines)
