import { useEffect, useRef } from 'preact/hooks'
import uPlot from 'uplot'
import { clockText, threeDigits } from '../state/format.ts'

export interface Curve {
  readonly title: string
  readonly values: readonly (number | null)[]
  /** Custom property with its colour. */
  readonly colour: 'accent' | 'failing' | 'degraded' | 'dim' | `phase-${number}`
  readonly isDashed?: boolean
  readonly isBar?: boolean
}

interface Shown {
  readonly title: string
  readonly unit: string
  readonly xs: readonly number[]
  readonly curves: readonly Curve[]
  /** Largest value of the axis; absent if it follows the values. */
  readonly most?: number | undefined
  /** What the chart covers at least, so that a few values are not stretched. */
  readonly leastSeconds?: number
  /** Whether each curve stands on the one before it. */
  readonly isStacked?: boolean
  /** Moment to mark, in seconds since 1970. */
  readonly mark?: number | undefined
}

const height = 150
const bars: uPlot.Series.PathBuilder = (plot, ...rest) => uPlot.paths.bars?.({ size: [0.9, 12] })(plot, ...rest) ?? null

/** A chart over time. Readers of the screen hear its range. */
export function Chart({ title, unit, xs, curves: given, most, mark, leastSeconds = 600, isStacked = false }: Shown) {
  const holder = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot>(undefined)
  // The highest is drawn first, so that the others cover it.
  const curves = isStacked ? stacked(given).toReversed() : given
  const data: uPlot.AlignedData = [[...xs], ...curves.map(({ values }) => [...values])]
  const own = useRef(curves)
  own.current = isStacked ? given.toReversed() : given
  const marked = useRef(mark)
  marked.current = mark
  const shape = JSON.stringify([
    unit,
    most,
    curves.map(({ title, colour, isDashed, isBar }) => [title, colour, isDashed, isBar]),
  ])

  useEffect(() => {
    const { current } = holder
    if (current === null) return
    const create = () => {
      plot.current?.destroy()
      plot.current = new uPlot(optionsOf(current, { unit, curves, own, most, leastSeconds, marked }), data, current)
    }
    create()
    const observer = new ResizeObserver(() => plot.current?.setSize({ width: current.clientWidth, height }))
    observer.observe(current)
    const dark = matchMedia('(prefers-color-scheme: dark)')
    dark.addEventListener('change', create)
    return () => {
      observer.disconnect()
      dark.removeEventListener('change', create)
      plot.current?.destroy()
      plot.current = undefined
    }
  }, [shape])
  useEffect(() => plot.current?.setData(data), [data])

  return (
    <figure>
      <figcaption>
        {title} <span class="dim">{unit}</span>
      </figcaption>
      <div ref={holder} class="chart" role="img" aria-label={`${title}: ${given.map(summaryOf(unit)).join('; ')}`} />
    </figure>
  )
}

function stacked(curves: readonly Curve[]): readonly Curve[] {
  return curves.map((curve, position) => ({
    ...curve,
    values: curve.values.map((_, place) =>
      curves.slice(0, position + 1).reduce((sum, { values }) => sum + (values[place] ?? 0), 0),
    ),
  }))
}

function summaryOf(unit: string) {
  return ({ title, values }: Curve) => {
    const known = values.filter((value) => value !== null)
    if (known.length === 0) return `${title}: no values`
    return `${title}: ${threeDigits(Math.min(...known))} to ${threeDigits(Math.max(...known))} ${unit}`
  }
}

interface Look extends Pick<Shown, 'unit' | 'curves' | 'most'> {
  readonly leastSeconds: number
  /** The curves before they were stacked. */
  readonly own: { readonly current: readonly Curve[] }
  readonly marked: { readonly current: number | undefined }
}

function optionsOf(holder: HTMLElement, { unit, curves, own, most, leastSeconds, marked }: Look): uPlot.Options {
  const style = getComputedStyle(holder)
  const colour = (name: string) => style.getPropertyValue(`--${name}`).trim()
  const axis = {
    stroke: colour('dim'),
    grid: { stroke: colour('line'), width: 1 },
    ticks: { show: false },
    font: '11px system-ui',
  }
  return {
    width: holder.clientWidth,
    height,
    padding: [8, 8, 0, 0],
    cursor: { drag: { x: false, y: false }, points: { size: 6 } },
    legend: { isolate: true },
    scales: {
      // Not those that are passed, which of a single value are a day apart.
      x: {
        range({ data: [xs] }) {
          const [first = 0, last = 0] = [xs[0], xs.at(-1)]
          return [Math.min(first, last - leastSeconds), last]
        },
      },
      y: { range: (_, _low, high) => [0, most ?? (high > 0 ? high * 1.1 : 1)] },
    },
    axes: [
      { ...axis, space: 70, size: 28, values: (_, ticks) => ticks.map((tick) => clockText(tick * 1000).slice(0, 5)) },
      { ...axis, size: 52, values: (_, ticks) => ticks.map((tick) => threeDigits(tick)) },
    ],
    series: [
      { label: '', value: (_, x) => (x === null ? '' : clockText(x * 1000)) },
      ...curves.map(
        ({ title, colour: name, isDashed, isBar }, position): uPlot.Series => ({
          label: title,
          stroke: colour(name),
          width: isBar === true ? 0 : 1.5,
          ...(isDashed === true ? { dash: [5, 4] } : {}),
          ...(isBar === true ? { fill: colour(name), paths: bars } : {}),
          points: { show: (plot, series) => isBar !== true && isSparse(plot.data[series] ?? []) },
          value(...[, , , place]) {
            const value = place === null ? null : (own.current[position]?.values[place] ?? null)
            return value === null ? '' : `${threeDigits(value)} ${unit}`
          },
        }),
      ),
    ],
    hooks: {
      draw: [
        ({ ctx, bbox, valToPos }) => {
          if (marked.current === undefined) return
          const x = valToPos(marked.current, 'x', true)
          if (x < bbox.left || x > bbox.left + bbox.width) return
          ctx.fillStyle = colour('accent')
          ctx.fillRect(x - 1, bbox.top, 2, bbox.height)
        },
      ],
    },
  }
}

function isSparse(values: ArrayLike<number | null | undefined>): boolean {
  return Array.from(values).filter((value) => typeof value === 'number').length < 20
}
