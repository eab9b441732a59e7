import { init } from 'echarts'
import type { Measurement } from './figure.ts'

export interface Plot {
  readonly unit: string
  readonly svg: string
}

/** Bars of each unit, grouped by condition. */
export function plotsOf({ title, figures }: Measurement): Plot[] {
  const units = [...new Set(figures.map(({ unit }) => unit))]
  return units.map(unit => {
    const shown = figures.filter(figure => figure.unit === unit)
    const conditions = [...new Set(shown.map(({ at }) => at))]
    const series = [...new Set(shown.map(({ subject }) => subject))].map(subject => ({
      name: subject,
      type: 'bar' as const,
      data: conditions.map(at => shown.find(figure => figure.subject === subject && figure.at === at)?.value ?? '-'),
    }))
    return {
      unit,
      svg: renderSvg({ title: `${title}, ${unit}`, xAxis: { type: 'category', data: conditions }, series }),
    }
  })
}

export interface Curve {
  readonly name: string
  readonly points: readonly (readonly [x: number, y: number])[]
}

/** Curves over a numeric axis. */
export const plotCurves = (title: string, xName: string, curves: readonly Curve[]): string =>
  renderSvg({
    title,
    xAxis: { type: 'value', name: xName, nameLocation: 'middle', nameGap: 28 },
    series: curves.map(({ name, points }) => ({ name, type: 'line' as const, showSymbol: false, data: points })),
  })

function renderSvg({ title, xAxis, series }: { title: string; xAxis: object; series: readonly object[] }): string {
  const chart = init(null, null, { renderer: 'svg', ssr: true, width: 900, height: 440 })
  chart.setOption({
    animation: false,
    backgroundColor: '#fff',
    title: { text: title, left: 'center', textStyle: { fontSize: 15 } },
    legend: { top: 30 },
    grid: { top: 95, left: 80, right: 30, bottom: 50 },
    xAxis,
    yAxis: { type: 'value' },
    series,
  })
  const svg = chart.renderToSVGString()
  chart.dispose()
  return svg
}
