import type { Aspect } from './evidence.ts'

/** Returns a function that returns the same object for equal aspects, so that facts share it. */
export function createAspects(): (aspect: Aspect) => Aspect {
  const known = new Map<string, Aspect[]>()
  return (aspect) => {
    const { check, server } = aspect
    const name = server === undefined ? check : `${check} ${server}`
    const ofCheck = known.get(name)
    if (ofCheck === undefined) {
      known.set(name, [aspect])
      return aspect
    }
    // A check has one path and one vantage, and few forms at one server, which are faster to compare than to look up.
    const same = ofCheck.find((other) => isSameAspect(other, aspect))
    if (same === undefined) ofCheck.push(aspect)
    return same ?? aspect
  }
}

export function isSameAspect(one: Aspect, other: Aspect): boolean {
  return (
    one === other ||
    (one.check === other.check &&
      one.family === other.family &&
      one.path === other.path &&
      one.vantage === other.vantage &&
      one.protocol === other.protocol &&
      one.bytes === other.bytes &&
      one.direction === other.direction &&
      one.socket === other.socket &&
      one.server === other.server)
  )
}
