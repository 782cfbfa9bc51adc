// phoenix.js's Presence in a channel that is joined again and again.

import { Presence } from "phoenix"

const copy = value => JSON.parse(JSON.stringify(value ?? null))

// Plays steps: {"rejoin": true}, {"state": ..}, {"diff": ..}. `deviating`: diffs that waited for the state
// of a join are forgotten with it (deviation 6). Returns what each step reported, the list after it, and the
// steps at which deviation 6 forgot something.
export function play({ steps, deviating }) {
  const bindings = {}
  let joins = 1
  const channel = {
    on: (event, callback) => { bindings[event] = callback },
    joinRef: () => `${joins}`,
  }
  const presence = new Presence(channel)
  let reported = []
  presence.onJoin((key, before, joined) => reported.push(["join", key, copy(before), copy(joined)]))
  presence.onLeave((key, after, left) => reported.push(["leave", key, copy(after), copy(left)]))
  presence.onSync(() => reported.push(["sync"]))

  const marks = []
  const seen = steps.map((step, index) => {
    reported = []
    if (step.rejoin) {
      joins += 1
      if (deviating && presence.pendingDiffs.length > 0) {
        marks.push(index)
        presence.pendingDiffs = []
      }
    } else if (step.state) {
      bindings.presence_state(step.state)
    } else {
      bindings.presence_diff(step.diff)
    }
    const list = presence.list((key, entry) => [key, copy(entry)])
    const refs = presence.list((key, { metas }) => `${key}: ${metas.map(meta => meta.phx_ref)}`)
    return { reported, list, refs }
  })
  return { seen, marks }
}
