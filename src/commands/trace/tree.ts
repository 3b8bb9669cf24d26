/** A trace as a tree of lines. */
import {formatCount} from '../../lib/cli/render/units.ts'
import type {MatchingConsumer} from '../../lib/messaging/audience.ts'
import type {SubscriberStep, TraceStep} from '../../lib/transport/trace.ts'
import type {TraceDocument} from './way.ts'

interface Branch {
  readonly text: string
  readonly branches: readonly Branch[]
}

/** The subject, and below it each step. Ends with a newline. */
export function traceTree(document: TraceDocument): string {
  const {subject, server, cluster, account, error, steps} = document
  const where = serverText({server, cluster, account})
  const root = [where === '' ? subject : `${subject} at ${where}`, error].filter(Boolean).join(' · ')
  return `${[root, ...linesOf(branchesOf(steps, document))].join('\n')}\n`
}

function linesOf(branches: readonly Branch[]): string[] {
  return branches.flatMap(({text, branches: below}, i) => {
    const isLast = i === branches.length - 1
    return [`${isLast ? '└─' : '├─'} ${text}`, ...linesOf(below).map((line) => `${isLast ? '  ' : '│ '} ${line}`)]
  })
}

/** Streams first: a server passes the message to clients in any order. */
const order: readonly TraceStep['kind'][] = ['stream', 'subscriber', 'group', 'route', 'gateway', 'leaf node']

function branchesOf(steps: readonly TraceStep[], document: TraceDocument): Branch[] {
  const sorted = [...steps].sort((one, other) => order.indexOf(one.kind) - order.indexOf(other.kind))
  return sorted.map((step) => branchOf(step, document))
}

function branchOf(step: TraceStep, document: TraceDocument): Branch {
  switch (step.kind) {
    case 'stream': {
      const {stream, subject, error} = step
      const own = error === undefined ? document.consumers.filter((each) => each.stream === stream) : []
      const as = subject === document.subject ? undefined : subject
      const text = textOf([`stream ${stream}`, as && `as ${as}`, error && `not stored: ${error}`])
      return {text, branches: own.map(consumerBranch)}
    }
    case 'subscriber':
      return leaf(textOf([`subscriber ${subscriberText(step)}`, step.error]))
    case 'group': {
      const members = step.members.map((member) => leaf(subscriberText(member)))
      return {text: `one member of queue group ${step.queue}`, branches: members}
    }
    case 'mapping':
      return leaf(`mapped to ${step.to}`)
    case 'import':
    case 'export': {
      const {kind, account, to} = step
      return leaf(textOf([kind === 'import' ? 'service of' : 'exported to', account && `account ${account}`, to], ' '))
    }
    default: {
      const {kind, name, error, isSilent, steps} = step
      const where = isSilent ? 'which did not tell what it did' : serverText(step)
      const text = textOf([`${kind} to ${name ?? 'a server'}`, where, error])
      return {text, branches: branchesOf(steps, document)}
    }
  }
}

function consumerBranch({consumer, filters, lag}: MatchingConsumer): Branch {
  return leaf(textOf([`consumer ${consumer}`, filters.join(' '), `lag ${formatCount(lag)}`]))
}

/** `bus sub · orders.> · queue group team · process 4711` */
function subscriberText({name, connection, pid, account, pattern, queue}: Omit<SubscriberStep, 'kind'>): string {
  const called = name || (connection === undefined ? 'without a name' : `connection ${connection}`)
  return textOf([
    called,
    pattern,
    queue && `queue group ${queue}`,
    account && `account ${account}`,
    pid === undefined ? undefined : `process ${pid}`,
  ])
}

/** `one in cluster C, account A`; the usual account is left out. */
function serverText({
  server,
  cluster,
  account,
}: {readonly [name in 'server' | 'cluster' | 'account']?: string | undefined}) {
  // Without a name of its own, the cluster of a leaf node has that of the server.
  const place = textOf([server, cluster === server ? undefined : cluster && `cluster ${cluster}`], ' in ')
  return textOf([place, account && account !== '$G' ? `account ${account}` : undefined], ', ')
}

function textOf(parts: readonly (string | undefined)[], between = ' · '): string {
  return parts.filter((part) => part !== undefined && part !== '').join(between)
}

function leaf(text: string): Branch {
  return {text, branches: []}
}
