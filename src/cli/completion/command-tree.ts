import type { Argument, Command, Option } from 'commander'

/** The command line as completion needs it: commander's commands without their actions. */
export interface CompletedProgram {
  readonly name: string
  readonly options: readonly CompletedOption[]
  readonly commands: readonly CompletedCommand[]
}

export interface CompletedCommand {
  readonly name: string
  readonly summary: string
  readonly options: readonly CompletedOption[]
  /** Values of its arguments, if they are a fixed list. */
  readonly choices: readonly string[]
}

export interface CompletedOption {
  /** Including dashes: `-h`, `--help`. */
  readonly names: readonly string[]
  readonly description: string
  readonly value: 'none' | 'optional' | 'required'
  /** The value name in the help: `file`. */
  readonly placeholder: string
  readonly completes: 'files' | 'folders' | 'nothing' | readonly string[]
}

/** Reads the command tree of a program, including commands and options added by commander. */
export function commandTree(program: Command): CompletedProgram {
  const help = program.createHelp()
  const optionsOf = (command: Command) => help.visibleOptions(command).map(toOption)
  const commands = help.visibleCommands(program).map(command => ({
    name: command.name(),
    summary: command.summary() || command.description(),
    options: optionsOf(command),
    choices: command.registeredArguments.flatMap(choicesOf),
  }))
  return { name: program.name(), options: optionsOf(program), commands }
}

const choicesOf = ({ argChoices = [] }: Argument) => argChoices

function toOption({ short, long, description, flags, required, optional, argChoices }: Option): CompletedOption {
  const placeholder = /[<[](\w+)/.exec(flags)?.[1] ?? ''
  return {
    names: [short, long].flatMap(name => name ?? []),
    description,
    value: required ? 'required' : optional ? 'optional' : 'none',
    placeholder,
    completes: argChoices ?? PLACES[placeholder] ?? 'nothing',
  }
}

const PLACES: Readonly<Record<string, 'files' | 'folders'>> = { file: 'files', folder: 'folders' }
