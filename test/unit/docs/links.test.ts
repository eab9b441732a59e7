import { existsSync } from 'node:fs'
import { join, posix } from 'node:path'
import { expect, test } from 'vitest'
import { page, pages, prose, root } from '../../integration/docs/pages.ts'

test('links between pages lead to files and headings that exist', async () => {
  const all = await pages()
  const anchors = new Map(all.map(({ path, text }) => [path, anchorsOf(text)]))
  const broken = all.flatMap(({ path, text }) =>
    linksOf(text).flatMap(link => {
      const [file = '', anchor] = link.split('#')
      const target = file === '' ? path : posix.join(posix.dirname(path), file)
      const leadsThere = existsSync(join(root, target)) && (anchor === undefined || anchors.get(target)?.has(anchor))
      return leadsThere ? [] : [`${path}: ${link}`]
    }),
  )
  expect(broken).toEqual([])
})

test('files that pages name in backticks exist', async () => {
  const all = (await pages()).filter(({ path }) => path !== 'CHANGELOG.md')
  const missing = all.flatMap(page =>
    [...prose(page).matchAll(/`((?:src|test|migrations|docs|examples|\.ci)\/[^`\s*]*)`/g)]
      .map(([, file = '']) => file)
      .filter(file => !existsSync(join(root, file)))
      .map(file => `${page.path}: ${file}`),
  )
  expect(missing).toEqual([])
})

test('every page is reached from the README', async () => {
  const texts = new Map((await pages()).map(({ path, text }) => [path, text]))
  const reached = new Set<string>()
  const visit = (path: string) => {
    if (reached.has(path) || !texts.has(path)) return
    reached.add(path)
    for (const link of linksOf(texts.get(path) ?? '')) visit(posix.join(posix.dirname(path), link.replace(/#.*$/, '')))
  }
  visit('README.md')
  expect([...reached].sort()).toEqual([...texts.keys()].sort())
})

test('the README stays short', async () => {
  expect(Buffer.byteLength((await page('README.md')).text)).toBeLessThanOrEqual(6_000)
})

test('the anchor of a heading is that of GitHub', () => {
  const text = "# A title\n## `blueprints: 'keep'`, the default\n## Same\n## Same\n```sh\n# a comment\n```\n"
  expect([...anchorsOf(text)]).toEqual(['a-title', 'blueprints-keep-the-default', 'same', 'same-1'])
})

/** Relative ones, in the text outside of code. */
function linksOf(text: string): string[] {
  const outsideOfCode = prose({ path: '', text }).replace(/`[^`]*`/g, '')
  return [...outsideOfCode.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, link = '']) => link)
    .filter(link => !/^\w+:/.test(link))
}

function anchorsOf(text: string): Set<string> {
  const anchors = new Set<string>()
  for (const [, heading = ''] of prose({ path: '', text }).matchAll(/^#+ (.*)$/gm)) {
    const plain = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase()
    const anchor = plain.replace(/[^\p{L}\p{N}\s_-]/gu, '').replaceAll(' ', '-')
    let unused = anchor
    for (let count = 1; anchors.has(unused); count++) unused = `${anchor}-${count}`
    anchors.add(unused)
  }
  return anchors
}
