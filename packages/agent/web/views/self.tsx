import type { ComponentChildren } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import { request } from '../state/client.ts'
import type { SelfDocument } from '../state/documents.ts'
import { countText, shareText, spanText, threeDigits } from '../state/format.ts'
import { Ago } from './times.tsx'

const refreshMs = 5_000

/** What the agent that serves the page is, may do and sees. */
export function SelfView() {
  const [document, setDocument] = useState<SelfDocument>()
  const [trouble, setTrouble] = useState<string>()
  useEffect(() => {
    const ending = new AbortController()
    const load = async () => {
      const reply = await request<SelfDocument>('api/v1/self', ending.signal)
      if (ending.signal.aborted) return
      setTrouble(reply.ok ? undefined : reply.message)
      if (reply.ok) setDocument(reply.content)
    }
    void load()
    const timer = setInterval(() => void load(), refreshMs)
    return () => {
      clearInterval(timer)
      ending.abort()
    }
  }, [])
  if (document === undefined) return <p class="dim">{trouble ?? 'Loading…'}</p>
  return (
    <div class="self">
      <Identity document={document} />
      <Abilities document={document} />
      <Probes document={document} />
      <Timing document={document} />
      <Diagnosis document={document} />
    </div>
  )
}

interface Shown {
  readonly document: SelfDocument
}

function Identity({ document: { self, startedAtMs, isReady, knowledge, peers } }: Shown) {
  return (
    <Part title="Agent">
      <Fact name="Name">{self.name}</Fact>
      <Fact name="Node">
        {self.node}
        {self.zone !== undefined && ` in ${self.zone}`}
      </Fact>
      <Fact name="Addresses">{self.addresses.join(', ')}</Fact>
      {self.mtu !== undefined && <Fact name="MTU">{self.mtu} bytes</Fact>}
      <Fact name="Version">{self.version}</Fact>
      <Fact name="Started">
        <Ago atMs={startedAtMs} />
      </Fact>
      <Fact name="Ready">{isReady ? 'yes' : 'no'}</Fact>
      <Fact name="Peers">
        {countsText(peers)}, from {knowledge.source}
        {knowledge.trouble !== undefined && <span class="failing"> ({knowledge.trouble})</span>}
        {knowledge.heardAtMs !== undefined && knowledge.heardAtMs > 0 && (
          <span class="dim">
            {' '}
            heard <Ago atMs={knowledge.heardAtMs} />
          </span>
        )}
      </Fact>
    </Part>
  )
}

function Abilities({ document: { abilities } }: Shown) {
  return (
    <Part title="Permissions">
      {abilities.map(({ name, isGranted, found }) => (
        <Fact key={name} name={name}>
          <span class={isGranted ? 'ok' : 'degraded'}>{isGranted ? 'yes' : 'no'}</span> <span class="dim">{found}</span>
        </Fact>
      ))}
    </Part>
  )
}

function Probes({ document: { probes } }: Shown) {
  return (
    <Part title="Probes and their clocks">
      {probes.map(({ protocol, means, clocks, obstacle, remark }) => (
        <Fact key={protocol} name={protocol}>
          {obstacle === undefined ? means : <span class="degraded">{obstacle}</span>}
          {clocks !== undefined &&
            obstacle === undefined &&
            `, sent by the ${clocks.tx} clock, received by the ${clocks.rx} clock`}
          {remark !== undefined && <span class="dim"> {remark}</span>}
        </Fact>
      ))}
    </Part>
  )
}

function Timing({ document: { lateness, schedule, logLinesLost } }: Shown) {
  return (
    <Part title="Lateness">
      {lateness !== undefined && (
        <>
          <Fact name={`Last ${spanText(lateness.spanMs)}`}>
            {countText(lateness.started, 'attempt')} started, {lateness.late} late, {lateness.skipped} skipped
          </Fact>
          <Fact name="Longest stall">{threeDigits(lateness.stalledMs)} ms</Fact>
          {lateness.throttledMs !== undefined && (
            <Fact name="Throttled by its cgroup">{threeDigits(lateness.throttledMs)} ms</Fact>
          )}
          {lateness.stolenRatio !== undefined && (
            <Fact name="CPU given to others by the hypervisor">{shareText(lateness.stolenRatio, 1)}</Fact>
          )}
        </>
      )}
      <Fact name="Attempts in flight">
        {schedule.inFlight}, {schedule.waiting} waiting
      </Fact>
      <Fact name="Since its start">
        {countText(schedule.started, 'attempt')} started, {schedule.late} late, {schedule.skipped} skipped,{' '}
        {schedule.lost} lost
      </Fact>
      {logLinesLost > 0 && <Fact name="Lines lost by the log">{logLinesLost}</Fact>}
    </Part>
  )
}

function Diagnosis({ document: { watchers, speaker, isSpeaking, sees, evidence, console } }: Shown) {
  return (
    <Part title="Diagnosis">
      <Fact name="Watchers">{watchers.length === 0 ? 'none known' : watchers.join(', ')}</Fact>
      <Fact name="Speaks for the mesh">{isSpeaking ? 'this agent' : (speaker ?? 'none known')}</Fact>
      <Fact name="Rows at hand">
        {sees.rows} of {sees.ready}
        {sees.missing.length > 0 && (
          <ul>
            {sees.missing.slice(0, 20).map(({ node, sinceMs }) => (
              <li key={node}>
                none from {node}, since <Ago atMs={sinceMs} />
              </li>
            ))}
          </ul>
        )}
      </Fact>
      <Fact name="Evidence sent">{countsText(evidence.sent)}</Fact>
      <Fact name="Evidence received">{countsText(evidence.received)}</Fact>
      <Fact name="Requests to this page, API and metrics">{countsText(console)}</Fact>
    </Part>
  )
}

function countsText(counts: Readonly<Record<string, number>>): string {
  const parts = Object.entries(counts)
    .filter(([, count]) => count > 0)
    .map(([name, count]) => `${count.toLocaleString('en')} ${name}`)
  return parts.length === 0 ? 'none' : parts.join(', ')
}

function Part({ title, children }: { readonly title: string; readonly children: ComponentChildren }) {
  return (
    <section aria-label={title}>
      <h2>{title}</h2>
      <dl>{children}</dl>
    </section>
  )
}

function Fact({ name, children }: { readonly name: string; readonly children: ComponentChildren }) {
  return (
    <>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </>
  )
}
