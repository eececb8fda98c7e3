import type { PlannedTask } from './plan.ts'

/** Most streams of an agent: 128 packets a second, whatever the size of the mesh. Other tasks have one attempt in each interval. */
const mostStreams = 64
/** Further addresses of a peer, usually of the other family, have so much rarer attempts: the same hosts and cables lose their packets. */
const rarerFurther = 4

/** Returns the tasks with the attempts that each makes in its interval. First addresses of peers come before others, then earlier tasks before later ones. */
export function withStreams(tasks: readonly PlannedTask[]): readonly PlannedTask[] {
  const isStream = ({ check: { perInterval = 1 } }: PlannedTask) => perInterval > 1
  const firsts = new Map(
    tasks
      .filter(isStream)
      .toReversed()
      .map((task) => [targetOf(task), task]),
  )
  const isFirst = (task: PlannedTask) => firsts.get(targetOf(task)) === task
  const streams = tasks.filter(isStream).toSorted((a, b) => Number(isFirst(b)) - Number(isFirst(a)))
  const chosen = new Set(streams.slice(0, mostStreams))
  return tasks.map((task) => {
    const { perInterval = 1 } = task.check
    if (!chosen.has(task)) return task
    return { ...task, perInterval: isFirst(task) ? perInterval : Math.max(1, Math.floor(perInterval / rarerFurther)) }
  })
}

function targetOf({ check, peer }: PlannedTask): string {
  return JSON.stringify([check.name, peer?.id])
}
