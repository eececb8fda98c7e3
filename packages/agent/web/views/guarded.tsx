import type { ComponentChildren } from 'preact'
import { useErrorBoundary } from 'preact/hooks'

interface Shown {
  /** Name of the view. */
  readonly name: string
  readonly children: ComponentChildren
}

/** Keeps a fault in one view from all others, and says what to do about it. */
export function Guarded({ name, children }: Shown) {
  const [error, retry] = useErrorBoundary()
  if (error === undefined) return <>{children}</>
  return (
    <section class="notice" role="alert" aria-label={name}>
      <p>
        <strong>{name} cannot be shown</strong> because of a defect of this page: {messageOf(error)}
      </p>
      <p>
        Everything else still works. If it fails again after a reload, use <code>scout-probe mesh</code> or{' '}
        <a href="api/v1/links">the API</a>, and please report the defect with this message.
      </p>
      <button type="button" onClick={retry}>
        Try again
      </button>
    </section>
  )
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
