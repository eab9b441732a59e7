import { execFile } from 'node:child_process'
import { userInfo } from 'node:os'
import { promisify } from 'node:util'
import { ChangefeedError } from '../errors.ts'

/**
 * The operating system account that Postgres runs as. `ids` is set if it is not the current one, since Postgres refuses
 * to run as root.
 */
export interface Account {
  readonly name: string
  readonly ids?: { readonly uid: number; readonly gid: number }
}

/** The current account, or for root the first existing one of `postgres` and `nobody`. */
export async function serverAccount(): Promise<Account> {
  if (process.geteuid?.() !== 0) return ownAccount()
  for (const name of ['postgres', 'nobody']) {
    const ids = await idsOf(name)
    if (ids) return { name, ids }
  }
  throw new ChangefeedError(
    'E_EMBEDDED',
    'Postgres refuses to run as root, and there is no user `postgres` or `nobody` to run it as: ' +
      'add one (useradd --system postgres), run as another user, or set DATABASE_URL to your own server.',
  )
}

function ownAccount(): Account {
  try {
    return { name: userInfo().username }
  } catch (cause) {
    throw new ChangefeedError(
      'E_EMBEDDED',
      `initdb requires its user in /etc/passwd, which lacks uid ${process.geteuid?.()}: ` +
        'add it, run as another user, or set DATABASE_URL to your own server.',
      { cause },
    )
  }
}

async function idsOf(name: string) {
  try {
    const [uid, gid] = await Promise.all([run('id', ['-u', name]), run('id', ['-g', name])])
    return { uid: Number(uid.stdout), gid: Number(gid.stdout) }
  } catch {
    return undefined // no such user
  }
}

const run = promisify(execFile)
