import { levelOf, stateText } from '../matrix/model.ts'
import type { Cell, CheckReport } from '../state/documents.ts'
import { durationText, shareText } from '../state/format.ts'
import { Ago } from '../views/times.tsx'

interface Shown {
  readonly cells: readonly Cell[]
  readonly checks: readonly CheckReport[]
  readonly title: string
}

/** The checks of one link or target, the gravest first. */
export function CellTable({ cells, checks, title }: Shown) {
  const ranks = { failing: 0, ok: 1, waiting: 2, unable: 3 } as const
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={title}>
      <table class="cells">
        <thead>
          <tr>
            <th>Check</th>
            <th>State</th>
            <th>Since</th>
            <th>Median</th>
            <th title="of the last ten minutes">Lost</th>
          </tr>
        </thead>
        {cells
          .toSorted((a, b) => ranks[a.state] - ranks[b.state])
          .map((cell) => (
            <Rows
              key={`${cell.check} ${cell.family}`}
              cell={cell}
              check={checks.find(({ name }) => name === cell.check)}
            />
          ))}
      </table>
    </div>
  )
}

function Rows({ cell, check }: { readonly cell: Cell; readonly check: CheckReport | undefined }) {
  const { family, state, sinceMs, message, medianNs, lost } = cell
  return (
    <tbody>
      <tr>
        <th scope="row">
          {cell.check}
          {family === 'ipv6' && ' v6'}
          <span class="dim">{wayOf(check)}</span>
        </th>
        <td class={levelOf([cell])}>{stateText(cell)}</td>
        <td>{sinceMs !== undefined && state !== 'waiting' && <Ago atMs={sinceMs} />}</td>
        <td class="number">{medianNs !== undefined && durationText(medianNs)}</td>
        <td class="number">{lost !== undefined && <Lost lost={lost} />}</td>
      </tr>
      {state !== 'ok' && message !== undefined && (
        <tr class="message">
          <td colSpan={5}>{message}</td>
        </tr>
      )}
    </tbody>
  )
}

function Lost({ lost: { sent, lost, forth, back } }: { readonly lost: NonNullable<Cell['lost']> }) {
  const ways = [forth === undefined ? '' : `${forth} there`, back === undefined ? '' : `${back} back`]
  const known = ways.filter((way) => way !== '').join(', ')
  return (
    <>
      <span title={`${lost} of ${sent}`}>{shareText(lost, sent)}</span>
      {lost > 0 && known !== '' && <div class="dim">{known}</div>}
    </>
  )
}

/** Names path and vantage where they are not the usual ones. */
function wayOf(check: CheckReport | undefined): string {
  if (check === undefined) return ''
  const { name, protocol, path, vantage } = check
  const parts = [name === protocol ? '' : protocol, path === 'pod' ? '' : path, vantage === 'pod' ? '' : vantage]
  const shown = parts.filter((part) => part !== '').join(', ')
  return shown === '' ? '' : ` ${shown}`
}
