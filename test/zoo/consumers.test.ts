import {consumerLines} from './animal.ts'
import {consumers} from './consumers.ts'
import {visit} from './visit.ts'

visit('consumers', consumers, consumerLines)
