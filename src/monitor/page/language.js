// Under a POSIX locale Chromium reports the language `en-US@posix`, with which the plot library fails to load.
try {
  new Intl.NumberFormat(navigator.language)
} catch {
  Object.defineProperty(navigator, 'language', { value: 'en-US' })
}
