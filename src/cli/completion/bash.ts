import type { CompletedOption, CompletedProgram } from './command-tree.ts'

/** For bash 3.2 (macOS) and later. */
export function bashCompletion({ name, options, commands }: CompletedProgram): string {
  const fn = `_${name.replaceAll('-', '_')}`
  const names = commands.map(command => command.name)
  const words = (from: readonly CompletedOption[], besides: readonly string[]) =>
    [...besides, ...from.flatMap(option => option.names)].join(' ')
  const values = commands.flatMap(command => command.options.flatMap(option => valueCase(command.name, option)))
  const offers = commands.map(command => `    ${command.name}) offered='${words(command.options, command.choices)}' ;;`)
  return `${fn}() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} command= word offered IFS=$'\\n'
  # Bash takes the = of --option=value for a word.
  if [[ $previous == = ]]; then previous=\${COMP_WORDS[COMP_CWORD-2]}; fi
  if [[ $current == = ]]; then current=; fi
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case $word in ${names.join('|')}) command=$word; break ;; esac
  done
  COMPREPLY=()
  case $command:$previous in
${values.join('\n')}
  esac
  case $command in
    '') offered='${words(options, names)}' ;;
${offers.join('\n')}
  esac
  COMPREPLY=($(IFS=' '; compgen -W "$offered" -- "$current"))
}
complete -F ${fn} ${name}
`
}

/** Completes the value of an option, if its values are known. */
function valueCase(command: string, { names, value, completes }: CompletedOption): string[] {
  if (value !== 'required') return []
  const pattern = names.map(name => `${command}:${name}`).join('|')
  return [`    ${pattern}) ${completionOf(completes)}return ;;`]
}

function completionOf(completes: CompletedOption['completes']): string {
  if (completes === 'nothing') return ''
  if (typeof completes !== 'string')
    return `COMPREPLY=($(IFS=' '; compgen -W '${completes.join(' ')}' -- "$current")); `
  const kind = completes === 'files' ? '-f' : '-d'
  return `compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen ${kind} -- "$current")); `
}
