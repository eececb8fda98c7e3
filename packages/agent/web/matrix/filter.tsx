import type { LinksDocument } from '../state/documents.ts'
import type { Filter } from '../state/route.ts'
import type { Go } from '../views/app.tsx'

interface Shown {
  readonly links: LinksDocument
  readonly filter: Filter
  readonly go: Go
}

export function MatrixFilter({ links: { checks, links }, filter, go }: Shown) {
  const change = (part: { readonly [Name in keyof Filter]: string }) => {
    const query = new URLSearchParams({ ...filter, ...part })
    const chosen = Object.fromEntries([...query].filter(([, value]) => value !== ''))
    go({ filter: chosen }, { replace: true })
  }
  const families = [
    ...new Set(links.slice(0, 1_000).flatMap(({ cells }) => cells.flatMap(({ family }) => family ?? []))),
  ]
  return (
    <form class="filter" aria-label="What the matrix shows" onSubmit={(event) => event.preventDefault()}>
      <Choice
        title="Protocol"
        all="worst of all"
        values={namesOf(checks.map(({ protocol }) => protocol))}
        value={filter.protocol}
        onChoice={(protocol) => change({ protocol })}
      />
      <Choice
        title="Vantage"
        values={namesOf(checks.map(({ vantage }) => vantage))}
        value={filter.vantage}
        onChoice={(vantage) => change({ vantage })}
      />
      <Choice
        title="Family"
        values={namesOf(families)}
        value={filter.family}
        onChoice={(family) => change({ family })}
      />
      <Choice
        title="Direction"
        all="both"
        values={['forth', 'back']}
        value={filter.direction}
        onChoice={(direction) => change({ direction })}
      />
      <label>
        Nodes{' '}
        <input
          type="search"
          placeholder="name or zone"
          value={filter.nodes ?? ''}
          onInput={({ currentTarget }) => change({ nodes: currentTarget.value })}
        />
      </label>
    </form>
  )
}

interface ChoiceShown {
  readonly title: string
  readonly all?: string
  readonly values: readonly string[]
  readonly value: string | undefined
  readonly onChoice: (value: string) => void
}

function Choice({ title, all = 'all', values, value = '', onChoice }: ChoiceShown) {
  if (values.length < 2 && value === '') return null
  return (
    <label>
      {title}{' '}
      <select value={value} onChange={({ currentTarget }) => onChoice(currentTarget.value)}>
        <option value="">{all}</option>
        {values.map((name) => (
          <option key={name} value={name}>
            {name}
          </option>
        ))}
      </select>
    </label>
  )
}

function namesOf(names: readonly string[]): readonly string[] {
  return [...new Set(names)].toSorted()
}
