import { endianness } from 'node:os'
import type { Family } from '../../model/endpoint.ts'

/*
 * Classic BPF programs (Documentation/networking/filter.rst), which the kernel runs on every packet before it wakes a socket. On a raw
 * socket, a program sees IPv4 packets with their IP header and IPv6 packets without it. On an observer it sees both with their IP
 * header.
 */

/** Accepts only answers to a SYN from one of `ports`: SYN-ACK and RST. Unfiltered, a raw TCP socket receives all TCP of its namespace. */
export function tcpReplyFilter(family: Family, ports: readonly number[]): Uint8Array {
  return assemble([
    family === 'ipv4' ? loadIpv4HeaderLength : setIndex(0),
    loadByteBehind(tcp.flags),
    // Few segments are either, so the loop over the ports rarely runs.
    jumpIfAnyBit(tcp.rst, 'ports'),
    and(tcp.syn | tcp.ack),
    jumpUnlessEqual(tcp.syn | tcp.ack, 'drop'),
    label('ports'),
    loadHalfBehind(tcp.destinationPort),
    ...ports.map((port) => jumpIfEqual(port, 'accept')),
    label('drop'),
    accept(0),
    label('accept'),
    accept(wholePacket),
  ])
}

/** Accepts TCP segments from or to one of `ports`, truncated to their first `bytes`. For observers. */
export function tcpPortFilter(ports: readonly number[], bytes: number): Uint8Array {
  const isOneOfPorts = ports.map((port) => jumpIfEqual(port, 'accept'))
  return assemble([
    loadByte(0),
    and(0xf0),
    jumpIfEqual(0x60, 'ipv6'),
    jumpUnlessEqual(0x40, 'drop'),
    loadByte(9),
    jumpUnlessEqual(tcp.protocol, 'drop'),
    // Only the first fragment contains the ports (RFC 791 §3.1, fragment offset).
    loadHalf(6),
    jumpIfAnyBit(0x1fff, 'drop'),
    loadIpv4HeaderLength,
    jump('ports'),
    label('ipv6'),
    loadByte(6),
    jumpUnlessEqual(tcp.protocol, 'drop'),
    setIndex(40),
    label('ports'),
    loadHalfBehind(tcp.sourcePort),
    ...isOneOfPorts,
    loadHalfBehind(tcp.destinationPort),
    ...isOneOfPorts,
    label('drop'),
    accept(0),
    label('accept'),
    accept(bytes),
  ])
}

const tcp = { protocol: 6, sourcePort: 0, destinationPort: 2, flags: 13, syn: 0x02, rst: 0x04, ack: 0x10 } as const

const wholePacket = 0xffff_ffff

/** An instruction, or a label for the next one. */
type Line = Instruction | { readonly label: string }

interface Instruction {
  readonly code: number
  readonly operand: number
  /** Label to jump to if the comparison holds or, if negated, if it does not. */
  readonly to?: string
  readonly isNegated?: boolean
}

// A code is the sum of class, size and mode, or of class, operation and source (linux/bpf_common.h).
const loadIpv4HeaderLength: Line = { code: 0xb1, operand: 0 }
const setIndex = (value: number): Line => ({ code: 0x01, operand: value })
const loadByte = (offset: number): Line => ({ code: 0x30, operand: offset })
const loadHalf = (offset: number): Line => ({ code: 0x28, operand: offset })
const loadByteBehind = (offset: number): Line => ({ code: 0x50, operand: offset })
const loadHalfBehind = (offset: number): Line => ({ code: 0x48, operand: offset })
const and = (mask: number): Line => ({ code: 0x54, operand: mask })
const jump = (to: string): Line => ({ code: jumpAlways, operand: 0, to })
const jumpIfAnyBit = (mask: number, to: string): Line => ({ code: 0x45, operand: mask, to })
const jumpIfEqual = (value: number, to: string): Line => ({ code: 0x15, operand: value, to })
const jumpUnlessEqual = (value: number, to: string): Line => ({ code: 0x15, operand: value, to, isNegated: true })
const accept = (bytes: number): Line => ({ code: 0x06, operand: bytes })
const label = (name: string): Line => ({ label: name })

const jumpAlways = 0x05
const instructionBytes = 8

/**
 * Assembles a program. A comparison reaches only 255 instructions, an unconditional jump any distance. So each comparison is followed by
 * such a jump, which it executes or skips.
 */
function assemble(lines: readonly Line[]): Uint8Array {
  const places = new Map<string, number>()
  let size = 0
  for (const line of lines) {
    if ('label' in line) places.set(line.label, size)
    else size += isComparison(line) ? 2 : 1
  }
  const view = new DataView(new ArrayBuffer(size * instructionBytes))
  let place = 0
  const emit = (code: number, operand: number, [ifTrue, ifFalse]: readonly [number, number] = [0, 0]) => {
    const start = place++ * instructionBytes
    view.setUint16(start, code, isLittleEndian)
    view.setUint8(start + 2, ifTrue)
    view.setUint8(start + 3, ifFalse)
    view.setUint32(start + 4, operand, isLittleEndian)
  }
  for (const line of lines) {
    if ('label' in line) continue
    if (isComparison(line)) emit(line.code, line.operand, line.isNegated === true ? [1, 0] : [0, 1])
    if (line.to === undefined) emit(line.code, line.operand)
    else emit(jumpAlways, (places.get(line.to) ?? size) - place - 1)
  }
  return new Uint8Array(view.buffer)
}

function isComparison({ code, to }: Instruction): boolean {
  return to !== undefined && code !== jumpAlways
}

const isLittleEndian = endianness() === 'LE'
