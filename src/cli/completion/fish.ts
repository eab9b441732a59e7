import type { CompletedOption, CompletedProgram } from './command-tree.ts'

/** One line per command, option and choice. */
export function fishCompletion({ name, options, commands }: CompletedProgram): string {
  const complete = (condition: string, rest: string) => `complete -c ${name} -n '${condition}' ${rest}`
  const lines = commands.flatMap(command => {
    const isGiven = `__fish_seen_subcommand_from ${command.name}`
    return [
      complete('__fish_use_subcommand', `-a ${command.name} -d '${quote(command.summary)}'`),
      ...command.options.map(option => complete(isGiven, describeOption(option))),
      ...command.choices.map(choice => complete(isGiven, `-a ${choice}`)),
    ]
  })
  const own = options.map(option => complete('__fish_use_subcommand', describeOption(option)))
  return [`complete -c ${name} -f`, ...own, ...lines, ''].join('\n')
}

function describeOption({ names, description, value, completes }: CompletedOption): string {
  const flags = names.map(name => (name.startsWith('--') ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`))
  const behind = value === 'required' ? [completionOf(completes)] : []
  return [...flags, ...behind, `-d '${quote(description)}'`].join(' ')
}

function completionOf(completes: CompletedOption['completes']): string {
  if (typeof completes !== 'string') return `-x -a '${completes.join(' ')}'`
  return { files: '-r -F', folders: "-x -a '(__fish_complete_directories)'", nothing: '-x' }[completes]
}

const quote = (text: string) => text.replace(/[\\']/g, '\\$&')
