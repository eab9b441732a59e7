import picocolors from 'picocolors'

/** Colours for terminals only. A pipe gets none, even on a build server that claims to support them. */
const wanted = process.env.FORCE_COLOR ? true : process.stdout.isTTY === true && !process.env.NO_COLOR

export const colours = picocolors.createColors(wanted)
