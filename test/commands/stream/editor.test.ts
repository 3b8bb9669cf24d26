import {mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterAll, describe, expect, test} from 'vitest'
import {onBothBuses} from '../../both-buses.ts'
import {hasTerminals, onTerminal} from '../../hostile/hostile-text.ts'

const folder = mkdtempSync(join(tmpdir(), 'editor-'))
afterAll(() => rmSync(folder, {recursive: true}))

/** An editor that makes these replacements. */
function editor(name: string, script: string): string {
  const path = join(folder, name)
  writeFileSync(path, ['#!/bin/sh', `sed -i '${script}' "$1"`, ''].join('\n'), {mode: 0o755})
  return path
}

describe.runIf(hasTerminals)('stream edit -i and consumer edit -i', () => {
  onBothBuses((newScene) => {
    test('change what was changed in the editor', async () => {
      await using scene = await newScene()
      const {streams} = scene.transport
      await streams.add({name: 'S', subjects: ['s.*'], maxMsgs: 5})
      await streams.consumers.add('S', {name: 'c'})
      const EDITOR = editor('change', 's/maxMsgs: 5/maxMsgs: 9/; s/ackWaitMs: 30000/ackWaitMs: 45000/')
      const edit = (words: string, env: Readonly<Record<string, string>> = {EDITOR}) =>
        onTerminal([...words.split(' '), '-i', '-b', scene.url], env)
      expect(await edit('stream edit S')).toContain('changed stream S')
      expect((await streams.info('S')).config.maxMsgs).toBe(9)
      expect(await edit('consumer edit S c')).toContain('changed consumer c of S')
      expect((await streams.consumers.info('S', 'c')).config.ackWaitMs).toBe(45_000)
      expect(await edit('stream edit S')).toContain('already has this configuration')
      expect(await edit('stream edit S', {EDITOR: 'false'})).toContain('the editor false failed: exit code 1')
      const wrong = await edit('stream edit S', {EDITOR: editor('spoil', 's/maxMsgs/maxMessages/')})
      expect(wrong).toContain('a stream has no setting "maxMessages"')
      expect((await streams.info('S')).config.maxMsgs).toBe(9)
    })
  })
})
