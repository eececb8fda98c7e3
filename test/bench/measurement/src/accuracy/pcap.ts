/** An Ethernet frame, cut to what the capture kept. */
export interface Frame {
  /** Nanoseconds since `Capture.startMs`: exact, as nanoseconds since 1970 are not in a number. */
  readonly atNs: number
  readonly bytes: Buffer
}

export interface Capture {
  /** The second in which its first frame came, in milliseconds since 1970. */
  readonly startMs: number
  readonly frames: readonly Frame[]
}

const fileHeaderBytes = 24
const frameHeaderBytes = 16
/** Little-endian, with nanoseconds (draft-ietf-opsawg-pcap §4). */
const magic = 0xa1b23c4d
const ethernet = 1

/** @throws when the file is not what tcpdump writes here, or is cut off. */
export function readPcap(file: Buffer): Capture {
  if (file.length < fileHeaderBytes || file.readUInt32LE(0) !== magic || (file.readUInt32LE(20) & 0xffff) !== ethernet)
    throw new Error('the capture is no little-endian pcap file of Ethernet frames with nanoseconds')
  const frames: Frame[] = []
  let firstSecond: number | undefined
  for (let at = fileHeaderBytes; at < file.length; ) {
    const start = at + frameHeaderBytes
    const end = start > file.length ? start : start + file.readUInt32LE(at + 8)
    if (end > file.length) throw new Error('the capture ends within a frame')
    const second = file.readUInt32LE(at)
    firstSecond ??= second
    frames.push({ atNs: (second - firstSecond) * 1e9 + file.readUInt32LE(at + 4), bytes: file.subarray(start, end) })
    at = end
  }
  return { startMs: (firstSecond ?? 0) * 1000, frames }
}
