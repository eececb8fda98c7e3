import { startUdpResponder } from '@scout/core'
import { keepBusy } from './busy.ts'
import { ports } from './ports.ts'

/* Scout's responder for `udp` probes by itself, on the loopback device: reflector.ts idle|busy. The busy thread is the main one. */
await startUdpResponder({ host: '127.0.0.1', port: ports.udp })
process.stdout.write('answering\n')
if (process.argv[2] === 'busy') keepBusy()
