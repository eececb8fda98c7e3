import { isProtocol, type Protocol, probes } from '@scout/core'
import { fixtures } from './fixtures.ts'
import { describeContract, type Fixture } from './probe-contract.ts'

for (const protocol of Object.keys(probes).filter(isProtocol)) {
  // One protocol at a time, which the compiler cannot follow through a loop.
  describeContract(protocol, fixtures[protocol] as Fixture<Protocol>)
}
