import type { LinkDocument } from '../state/documents.ts'
import { durationText } from '../state/format.ts'

/** The last result of each check, with its phases and as it was recorded, and what was collected. */
export function LastResults({ document: { series, collected } }: { readonly document: LinkDocument }) {
  return (
    <details>
      <summary>Last results, by phase</summary>
      {series.map(
        ({ check, family, last }) =>
          last !== undefined && (
            <div key={`${check} ${family}`} class="result">
              <strong>{check}</strong>
              {family === 'ipv6' && ' v6'} <span class="dim">to {last.endpoint?.address ?? last.target}</span>
              <Phases phasesNs={last.phasesNs} />
              <Recorded value={last} />
            </div>
          ),
      )}
      {collected.map((one) => (
        <div key={`${one.proof} ${one.atMs}`} class="result">
          <strong>{one.proof}</strong> <span class="dim">collected for incident {one.incident}</span>
          <div>{one.says}</div>
          <Recorded value={one} />
        </div>
      ))}
    </details>
  )
}

function Recorded({ value }: { readonly value: object }) {
  return (
    <details>
      <summary>as recorded</summary>
      <pre tabIndex={0}>{JSON.stringify(value, null, 2)}</pre>
    </details>
  )
}

function Phases({ phasesNs }: { readonly phasesNs: Readonly<Record<string, number>> }) {
  const phases = Object.entries(phasesNs)
  const totalNs = phases.reduce((sum, [, ns]) => sum + ns, 0)
  if (totalNs === 0) return null
  let endNs = 0
  const parts = phases.map(([name, ns]) => {
    const startNs = endNs
    endNs += ns
    return { name, ns, startNs }
  })
  return (
    <>
      <svg class="phases" viewBox="0 0 1000 8" preserveAspectRatio="none" aria-hidden="true">
        {parts.map(({ name, ns, startNs }, position) => (
          <rect
            key={name}
            class={`phase-${1 + (position % 6)}`}
            x={(1000 * startNs) / totalNs}
            width={(1000 * ns) / totalNs}
            height="8"
          />
        ))}
      </svg>
      <ol class="phases">
        {parts.map(({ name, ns }) => (
          <li key={name}>
            {name} {durationText(ns)}
          </li>
        ))}
      </ol>
    </>
  )
}
