/** Reloads the page if the demo was restarted, which changes its token. Resolves to whether it was. */
export async function reloadWhenRestarted({ token }) {
  if ((await currentToken()) === token) return false
  location.reload()
  return true
}

async function currentToken() {
  const page = new DOMParser().parseFromString(await (await fetch('/')).text(), 'text/html')
  return JSON.parse(page.getElementById('settings').textContent).token
}
