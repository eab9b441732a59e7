import { median } from '../bench/report/figure.ts'

export type Point = readonly [minutes: number, value: number]

export interface Trend {
  readonly median: number
  /** What the series grew by from its first to its last point, by the median of the slopes of all pairs of points. */
  readonly growth: number
}

/** By the estimator of Theil and Sen, which single outliers do not move. */
export function trendOf(points: readonly Point[]): Trend {
  const slopes = points.flatMap(([x, y], place) =>
    points.slice(place + 1).map(([later, value]) => (value - y) / (later - x)),
  )
  const span = (points.at(-1)?.[0] ?? 0) - (points[0]?.[0] ?? 0)
  return { median: median(points.map(([, value]) => value)), growth: median(slopes) * span }
}

/** Growth that is more than noise: above both a share of the median and an amount. */
export const grows = (
  { median, growth }: Trend,
  margin: { readonly share: number; readonly amount: number },
): boolean => growth > margin.amount && growth > median * margin.share
