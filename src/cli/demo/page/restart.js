/** Loads the page again if the demo was restarted since: its token has changed then. Resolves to whether it was. */
export async function reloadWhenRestarted({ token }) {
  const page = new DOMParser().parseFromString(await (await fetch('/')).text(), 'text/html')
  const settings = JSON.parse(page.getElementById('settings').textContent)
  if (settings.token === token) return false
  location.reload()
  return true
}
