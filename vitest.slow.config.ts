import {defineConfig} from 'vitest/config'
import {shared, slow} from './vitest.config.ts'

/** `npm run test:slow` */
export default defineConfig({test: {...shared, include: slow, testTimeout: 90_000}})
