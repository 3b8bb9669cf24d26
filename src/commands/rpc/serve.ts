import {ServeCommand} from '../../lib/cli/base/serve-command.ts'
import {answerFlags} from '../../lib/cli/flags/answer.ts'
import {bodyFlags} from '../../lib/cli/flags/body.ts'
import {filterFlags} from '../../lib/cli/flags/filter.ts'
import {argument, toggle, variant} from '../../lib/cli/flags/kinds.ts'
import {pacingFlags} from '../../lib/cli/flags/pacing.ts'
import {instance, prefix} from '../../lib/cli/flags/rpc.ts'
import {liveLine} from '../../lib/cli/render/served-view.ts'
import {announcedAs, subject as subjectOf, wildcardSubject} from '../../lib/protocols/loom-rpc/names.ts'
import {chooseMethod} from './serve-plan.ts'

export default class RpcServe extends ServeCommand {
  static override summary = 'serve an RPC method'
  static override description = [
    'The answer is BODY, a file, the payload itself, the result of an expression applied to it, or the output of a program; anything but JSON becomes a JSON string. A failure is answered with "ok": false and its text.',
    'A program gets the payload on stdin, and BUS_SUBJECT, BUS_HEADER_METHOD, BUS_HEADER_CALLER_ID and BUS_HEADER_TRACE_ID in its environment.',
    'The method is announced as a NATS service, so bus rpc ls finds it.',
  ].join('\n\n')
  static override examples = [
    {
      description: 'a sum, computed by JSONata from the payload',
      command: `<%= config.bin %> rpc serve math add --expr 'json.a + json.b' --instance one`,
    },
    {description: 'answers by a program', command: '<%= config.bin %> rpc serve text upper --exec -- tr a-z A-Z'},
  ]
  static override args = {
    service: argument({description: 'name of the service', required: true}),
    method: argument({description: 'name of the method', required: true}),
    body: argument({description: 'payload of each answer; - for stdin'}),
  }
  static override flags = {
    instance: variant(instance, {description: 'id of this instance (default: a new id)'}),
    wildcard: toggle('also answer calls to other instances'),
    prefix: prefix,
    queue: variant(filterFlags.queue, {description: 'queue group: each call goes to one member (default: none)'}),
    file: variant(bodyFlags.file, {description: 'read the payload of each answer from this file'}),
    encoding: bodyFlags.encoding,
    echo: answerFlags.echo,
    expr: answerFlags.expr,
    exec: answerFlags.exec,
    'exec-timeout': answerFlags['exec-timeout'],
    template: bodyFlags.template,
    concurrency: variant(pacingFlags.concurrency, {description: 'calls to handle at the same time', default: 16}),
    'system-replies': answerFlags['system-replies'],
    delay: answerFlags.delay,
    fail: answerFlags.fail,
    'show-requests': answerFlags['show-requests'],
    count: variant(pacingFlags.count, {description: 'end after this many calls'}),
    for: pacingFlags.for,
    idle: pacingFlags.idle,
  }

  async run(): Promise<void> {
    const {args, flags} = await this.parse(RpcServe)
    const {service, method, body} = args
    const {instance = crypto.randomUUID(), queue, prefix} = flags
    const own = subjectOf({service, instance, method}, prefix)
    const subject = flags.wildcard ? wildcardSubject({service, method}, prefix) : own
    await this.answer(flags, {
      ...{subject, queue, unit: 'call', live: `${liveLine(subject, queue, undefined)} as instance ${instance}`},
      identity: {...announcedAs(own, prefix), description: `bus rpc serve ${own}`},
      handler: (program) => chooseMethod({...flags, subject, body}, program, this.startSignal),
    })
  }
}
