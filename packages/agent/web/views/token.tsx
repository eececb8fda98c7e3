import { useState } from 'preact/hooks'
import { keepToken } from '../state/client.ts'

/** Asks for the token of the API, which stays in this tab. */
export function TokenForm({ onToken }: { readonly onToken: () => void }) {
  const [token, setToken] = useState('')
  const submit = (event: Event) => {
    event.preventDefault()
    keepToken(token)
    onToken()
  }
  return (
    <form class="token" onSubmit={submit}>
      <label for="token">
        This agent asks for its token (setting console.token). It is kept until this tab closes.
      </label>
      <input
        id="token"
        type="password"
        autocomplete="off"
        value={token}
        onInput={({ currentTarget }) => setToken(currentTarget.value)}
      />
      <button type="submit">Use it</button>
    </form>
  )
}
