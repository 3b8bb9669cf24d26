import type {Streams} from '../streams-contract.ts'

/** Everything but `publisher`, which is there at once. */
export type StoredStreams = Omit<Streams, 'publisher'>

/** Streams whose code is loaded with the first call: most processes only publish and subscribe. */
export function lateStreams(load: () => Promise<StoredStreams>, publisher: Streams['publisher']): Streams {
  let loading: Promise<StoredStreams> | undefined
  function late<Args extends unknown[], T>(pick: (streams: StoredStreams) => (...args: Args) => Promise<T>) {
    return async (...args: Args): Promise<T> => {
      loading ??= load()
      return pick(await loading)(...args)
    }
  }
  return {
    add: late(({add}) => add),
    info: late(({info}) => info),
    list: late(({list}) => list),
    keeping: late(({keeping}) => keeping),
    subjects: late(({subjects}) => subjects),
    remove: late(({remove}) => remove),
    purge: late(({purge}) => purge),
    publish: late(({publish}) => publish),
    publisher,
    get: late(({get}) => get),
    last: late(({last}) => last),
    read: late(({read}) => read),
    consumers: {
      add: late(({consumers}) => consumers.add),
      info: late(({consumers}) => consumers.info),
      list: late(({consumers}) => consumers.list),
      remove: late(({consumers}) => consumers.remove),
      reset: late(({consumers}) => consumers.reset),
      consume: late(({consumers}) => consumers.consume),
    },
  }
}
