import { execFile } from 'node:child_process'
import { userInfo } from 'node:os'
import { promisify } from 'node:util'
import { ChangefeedError } from '../errors.ts'

/** The operating system account that Postgres runs as. `ids` is set where it is not our own: Postgres refuses root. */
export interface Account {
  readonly name: string
  readonly ids?: { readonly uid: number; readonly gid: number }
}

/** Our own account, or for root the first of `postgres` and `nobody` that exists. */
export async function serverAccount(): Promise<Account> {
  if (process.geteuid?.() !== 0) return ownAccount()
  for (const name of ['postgres', 'nobody']) {
    const ids = await idsOf(name)
    if (ids) return { name, ids }
  }
  throw new ChangefeedError(
    'E_EMBEDDED',
    'Postgres refuses to run as root, and there is no user `postgres` or `nobody` to run it as: ' +
      'add one (useradd --system postgres), run as another user, or point to a server of your own with DATABASE_URL.',
  )
}

function ownAccount(): Account {
  try {
    return { name: userInfo().username }
  } catch (cause) {
    throw new ChangefeedError(
      'E_EMBEDDED',
      `initdb wants its user in /etc/passwd, and uid ${process.geteuid?.()} is not there: ` +
        'add it, run as another user, or point to a server of your own with DATABASE_URL.',
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
