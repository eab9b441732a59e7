// Under a POSIX locale Chromium names the language `en-US@posix`, at which the plot library fails as it is loaded.
try {
  new Intl.NumberFormat(navigator.language)
} catch {
  Object.defineProperty(navigator, 'language', { value: 'en-US' })
}
