import type { Command } from 'commander'
import { bashCompletion } from '../completion/bash.ts'
import { commandTree } from '../completion/command-tree.ts'
import { fishCompletion } from '../completion/fish.ts'
import { zshCompletion } from '../completion/zsh.ts'
import { print } from '../terminal.ts'

const SCRIPTS = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion }

export const SHELLS = Object.keys(SCRIPTS)

export const COMPLETION_HELP = `
To install it, add the line of your shell:
  bash, in ~/.bashrc
    eval "$(waterline-changefeed completion bash)"
  zsh, in ~/.zshrc below compinit
    eval "$(waterline-changefeed completion zsh)"
  fish, in ~/.config/fish/config.fish
    waterline-changefeed completion fish | source
Shells complete a program that is on the PATH, and not what follows npx: install
the package with --global, or add node_modules/.bin to the PATH.`

/** Prints a completion script. Requires neither settings nor the app. */
export const printCompletion = (shell: string, program: Command) =>
  print(SCRIPTS[shell as keyof typeof SCRIPTS](commandTree(program)).trimEnd())
