/**
 * Backups in the format of the server, in folders as `nats stream backup` writes and reads them: `backup.json` with configuration and state, and
 * the data as the server sends them. `backup.json` is written last, so that a folder without it is not complete.
 */
import {createReadStream, existsSync} from 'node:fs'
import {mkdir, open, readdir, readFile, rm, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {BusError} from '../../core/errors.ts'
import {fileError} from '../../core/file-error.ts'
import {isObject} from '../../core/text/json-text.ts'
import type {SnapshotHead, SnapshotOptions, Snapshots, Transport} from '../../transport/contract.ts'
import type {StreamInfo} from '../../transport/streams-contract.ts'

const headName = 'backup.json'
/** The data before and since nats-server 2.15. */
const tarName = 'stream.tar.s2'
const archiveName = 'stream.arc.s2'
const archiveMark = 'NATSARC'
const chunkBytes = 512 * 1024

interface NativeOptions extends SnapshotOptions {
  /** Called with the number of bytes so far. */
  readonly onProgress?: ((bytes: number) => void) | undefined
}

/** A stream of a folder. */
export interface NativeStream {
  readonly stream: string
  readonly messages: number
  readonly consumers: number
  /** Compressed. */
  readonly bytes: number
}

/** Fails with `usage` on a bus without a format of its own. */
export function snapshotsOf({snapshots, url}: Transport): Snapshots {
  if (snapshots !== undefined) return snapshots
  throw new BusError('usage', `${url} has no native backups: only a NATS server has`, {
    try: ['without --native', `for a bus file: sqlite3 FILE '.backup COPY'`],
  })
}

/** Saves a stream into a folder. Fails with `usage` if it has other files, as `Snapshots.take` does, and as `fileError` says. */
export async function saveNative(
  snapshots: Snapshots,
  stream: string,
  folder: string,
  options: NativeOptions,
): Promise<NativeStream> {
  await mustBeEmpty(folder)
  const {head, chunks} = await snapshots.take(stream, options)
  let bytes = 0
  let file: Awaited<ReturnType<typeof open>> | undefined
  try {
    for await (const chunk of chunks) {
      file ??= await open(join(folder, isArchive(chunk) ? archiveName : tarName), 'wx', 0o600)
      await file.writeFile(chunk)
      bytes += chunk.length
      options.onProgress?.(bytes)
    }
    await file?.datasync()
    await writeFile(join(folder, headName), `${JSON.stringify(head, null, 2)}\n`, {
      mode: 0o600,
      flag: 'wx',
      flush: true,
    })
  } catch (error) {
    throw fileError(error, 'write', folder)
  } finally {
    await file?.close()
  }
  return {stream, ...countsOf(head), bytes}
}

/** The folders of streams: this one, or those in it. Fails with `usage` if there are none, and as `fileError` says. */
export async function nativeFolders(folder: string): Promise<readonly string[]> {
  if (existsSync(join(folder, headName))) return [folder]
  const names = await readdir(folder).catch((error) => {
    throw fileError(error, 'read', folder)
  })
  const folders = names.sort().map((name) => join(folder, name))
  const found = folders.filter((path) => existsSync(join(path, headName)))
  if (found.length > 0) return found
  const isBegun = names.includes(tarName) || names.includes(archiveName)
  const what = isBegun ? 'is not a complete backup: it was interrupted' : 'is not a folder of a native backup'
  throw new BusError('usage', `${folder} ${what}`, {
    try: ['a folder of nats stream backup', 'without --native, for a file'],
  })
}

/** Restores the stream of a folder. Fails with `usage` if the folder is not one, and as `Snapshots.restore` does. */
export async function restoreNative(
  snapshots: Snapshots,
  folder: string,
  options: NativeOptions,
): Promise<NativeStream> {
  const head = await readHead(folder)
  const path = [archiveName, tarName].map((name) => join(folder, name)).find((name) => existsSync(name))
  if (path === undefined)
    throw new BusError('usage', `${folder} has no ${tarName} and no ${archiveName}: it is not a complete backup`)
  let bytes = 0
  async function* chunks(data: string): AsyncGenerator<Uint8Array> {
    for await (const chunk of createReadStream(data, {highWaterMark: chunkBytes})) {
      yield chunk
      bytes += chunk.length
      options.onProgress?.(bytes)
    }
  }
  let info: StreamInfo
  try {
    info = await snapshots.restore(head, chunks(path), options)
  } catch (error) {
    throw fileError(error, 'read', path)
  }
  return {stream: info.config.name, messages: info.state.messages, consumers: info.state.consumers, bytes}
}

function isArchive(chunk: Uint8Array): boolean {
  return Buffer.from(chunk.buffer, chunk.byteOffset, Math.min(chunk.length, 64)).includes(archiveMark)
}

function countsOf({state}: SnapshotHead): {messages: number; consumers: number} {
  const {messages = 0, consumer_count: consumers = 0} = state as {messages?: number; consumer_count?: number}
  return {messages, consumers}
}

/** What is left of an interrupted backup is removed. */
async function mustBeEmpty(folder: string): Promise<void> {
  try {
    await mkdir(folder, {recursive: true, mode: 0o700})
    const names = await readdir(folder)
    const other = names.find((name) => name !== tarName && name !== archiveName)
    if (other !== undefined)
      throw new BusError('usage', `${folder} is not empty: it has ${other}`, {try: ['a new folder']})
    for (const name of names) await rm(join(folder, name))
  } catch (error) {
    throw fileError(error, 'write', folder)
  }
}

async function readHead(folder: string): Promise<SnapshotHead> {
  const path = join(folder, headName)
  const text = await readFile(path, 'utf8').catch((error) => {
    throw fileError(error, 'read', path)
  })
  const refuse = (cause?: unknown) => new BusError('usage', `${path} does not describe a stream`, {cause})
  let head: unknown
  try {
    head = JSON.parse(text)
  } catch (cause) {
    throw refuse(cause)
  }
  if (
    !isObject(head) ||
    !isObject(head['config']) ||
    typeof head['config']['name'] !== 'string' ||
    !isObject(head['state'])
  )
    throw refuse()
  return {config: head['config'] as SnapshotHead['config'], state: head['state']}
}
