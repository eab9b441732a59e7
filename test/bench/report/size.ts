/** A short run takes seconds for each bench and checks only ratios, with a wide margin. */
export const IS_SHORT = process.env.BENCH_SHORT === '1'

/** The number of rounds, writes or the like: less in a short run. */
export const sized = (full: number, short: number): number => (IS_SHORT ? short : full)
