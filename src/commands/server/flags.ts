import {duration} from '../../lib/cli/flags/kinds.ts'
import {tableFlags} from '../../lib/cli/flags/table.ts'

export const serverFlags = {
  all: tableFlags.all,
  idle: duration('how long to wait for each further server (default: 300ms)'),
}

export const needsSystemLogin = 'It needs a login of the system account (exit code 4 without one).'
