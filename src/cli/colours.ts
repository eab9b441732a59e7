import picocolors from 'picocolors'

/** Colours for a person at a terminal. In a pipe there are none, on a build server either, whatever it says of itself. */
const wanted = process.env.FORCE_COLOR ? true : process.stdout.isTTY === true && !process.env.NO_COLOR

export const colours = picocolors.createColors(wanted)
