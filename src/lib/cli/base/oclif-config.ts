import type {Config} from '@oclif/core/config'

export interface About {
  readonly name: string
  readonly version: string
}

/** The text of `--version`, in oclif's format. */
export function userAgent({name, version}: About): string {
  return `${name}/${version} ${process.platform}-${process.arch} node-${process.version}`
}

/**
 * The part of oclif's Config that running one command needs: no plugins, no hooks, no files. The original takes longer to load
 * than most commands take to run.
 */
export function leanConfig(about: About): Config {
  return {
    bin: 'bus',
    name: about.name,
    version: about.version,
    userAgent: userAgent(about),
    plugins: new Map(),
    runHook: async () => ({successes: [], failures: []}),
    scopedEnvVar: () => undefined,
    scopedEnvVarKey: (key: string) => `BUS_${key}`,
    scopedEnvVarKeys: (key: string) => [`BUS_${key}`],
  } as unknown as Config
}
