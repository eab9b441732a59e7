import type { CompletedCommand, CompletedOption, CompletedProgram } from './command-tree.ts'

/** To be sourced, or installed in a folder of `fpath`. */
export function zshCompletion({ name, options, commands }: CompletedProgram): string {
  const fn = `_${name}`
  const described = commands.map(command => `    '${quote(command.name)}:${quote(command.summary)}'`)
  const cases = commands.map(commandCase)
  return `#compdef ${name}
${fn}() {
  local context state state_descr line
  typeset -A opt_args
  local -a commands=(
${described.join('\n')}
  )
  _arguments -C ${options.flatMap(specifications).join(' ')} '1: :->command' '*:: :->arguments'
  case $state in
    command) _describe command commands ;;
    arguments)
      case $words[1] in
${cases.join('\n')}
      esac ;;
  esac
}
if [ "$funcstack[1]" = "${fn}" ]; then ${fn} "$@"; else compdef ${fn} ${name}; fi
`
}

function commandCase({ name, options, choices }: CompletedCommand): string {
  const args = choices.length > 0 ? [`'*: :(${choices.join(' ')})'`] : []
  const specs = [...options.flatMap(specifications), ...args].map(spec => `          ${spec}`)
  return `        ${name}) _arguments -s \\\n${specs.join(' \\\n')} ;;`
}

/** One specification per name. An option with a value may be repeated. */
function specifications({ names, description, value, placeholder, completes }: CompletedOption): string[] {
  const message = `${value === 'optional' ? '::' : ':'}${placeholder}:`
  const behind = value === 'none' ? '' : `${message}${actionOf(completes)}`
  return names.map(name => `'${value === 'none' ? '' : '*'}${name}[${quote(description)}]${behind}'`)
}

function actionOf(completes: CompletedOption['completes']): string {
  if (typeof completes !== 'string') return `(${completes.join(' ')})`
  return { files: '_files', folders: '_files -/', nothing: '' }[completes]
}

/** Escapes for single quotes, and brackets and colons for `_arguments` and `_describe`. */
const quote = (text: string) => text.replace(/[[\]:\\]/g, '\\$&').replaceAll("'", "'\\''")
