import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

/*
 * How fast this machine is. A limit in % of a core holds for one machine only, so it is scaled by this.
 *
 * 1.0 is the machine of docs/measurement.md, where core's saturated prober needs 27.8 µs for an icmp probe and 592 µs for an http probe;
 * a machine that needs half of that is 2.0. That prober cannot be the yardstick itself, because it becomes cheaper with the work that is
 * being measured. Instead two fixed loops are measured that do much the same with Node's own modules (yardstick-main.mjs): a UDP echo and
 * an HTTP request over a new connection, over loopback, saturated. Their cost at 1.0 was derived by measuring prober
 * (npm run bench:cost) and loops in turn, nine times, on one machine: medians of 29.0 and 600 µs against 19.9 and 306 µs.
 */

/** Cost of one run of each loop where core's prober costs 27.8 and 592 µs. */
const atOne = { udpUs: 19.1, httpUs: 302 }

/** @typedef {{ udpUs: number, httpUs: number, factor: number }} Yardstick */

/**
 * Measures it. Takes some 10 s.
 *
 * @param {string} node path of a Node 24: another one is faster or slower
 * @returns {Promise<Yardstick>}
 */
export async function measureYardstick(node) {
  const program = fileURLToPath(new URL('./yardstick-main.mjs', import.meta.url))
  const { stdout } = await promisify(execFile)(node, [program], { env: {} })
  /** @type {{ udpUs: number, httpUs: number }} */
  const { udpUs, httpUs } = JSON.parse(stdout)
  return { udpUs, httpUs, factor: (atOne.udpUs / udpUs + atOne.httpUs / httpUs) / 2 }
}
