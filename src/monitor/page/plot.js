import '/page/language.js'
import uPlot from '/page/uPlot.esm.js'

const HEIGHT = 180
/** `12.5K`, because longer labels would be clipped. */
const SHORT = new Intl.NumberFormat('en', { notation: 'compact' })

/** A line plot of the last minutes that follows the width of its container and the colour scheme of the page. */
export class Plot {
  #place
  #label
  #plot = null
  #data = [[], []]

  constructor(place, label) {
    this.#place = place
    this.#label = label
    new ResizeObserver(() => this.#fit()).observe(place)
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#draw())
  }

  show(times, values) {
    this.#data = [times, values]
    if (this.#plot) this.#plot.setData(this.#data)
    else this.#draw()
  }

  #fit() {
    this.#plot?.setSize({ width: this.#place.clientWidth, height: HEIGHT })
  }

  #draw() {
    this.#plot?.destroy()
    this.#plot = new uPlot(this.#options(), this.#data, this.#place)
  }

  #options() {
    const color = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim()
    const axis = { stroke: color('--soft'), grid: { stroke: color('--line'), width: 1 }, ticks: { show: false } }
    const clock = (_plot, times) => times.map(time => new Date(time * 1000).toLocaleTimeString('en-GB'))
    const line = {
      label: this.#label,
      stroke: color('--accent'),
      width: 2,
      fill: `${color('--accent')}22`,
      spanGaps: true,
    }
    return {
      width: this.#place.clientWidth,
      height: HEIGHT,
      legend: { show: false },
      cursor: { y: false },
      scales: { y: { range: (_plot, _min, max) => [0, Math.max(1, max * 1.1)] } },
      series: [{}, { ...line, points: { show: false } }],
      axes: [
        { ...axis, size: 32, space: 80, values: clock },
        { ...axis, size: 48, values: (_plot, values) => values.map(value => SHORT.format(value)) },
      ],
    }
  }
}
