/** Upper edges of duration counts: geometric from 50 µs, and dense around the delays of one, two and three lost SYNs (1, 3 and 7 s). */
export const durationEdgesSeconds = [
  0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 0.95, 1.1, 2.9, 3.2, 6.9, 7.2,
] as const
