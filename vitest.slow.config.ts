import {defineConfig} from 'vitest/config'
import {shared, slow} from './vitest.config.ts'

/** `npm run test:slow`: more at a time than there are processors, because they mostly wait. */
export default defineConfig({test: {...shared, include: slow, maxWorkers: 6, testTimeout: 90_000}})
