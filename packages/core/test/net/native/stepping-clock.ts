import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'

const steppingClock = `
  #define _GNU_SOURCE
  #include <sys/syscall.h>
  #include <time.h>
  #include <unistd.h>
  int clock_gettime(clockid_t clock, struct timespec *time)
  {
    long result = syscall(SYS_clock_gettime, clock, time);
    if (clock == CLOCK_REALTIME && access("step", F_OK) == 0)
      time->tv_sec += 3600;
    return (int)result;
  }
`

/**
 * Runs Node in a process whose wall clock is an hour ahead while there is a file `step` in its folder, and returns its output. A test must
 * not set the clock of this machine, so a preloaded library steps it.
 */
export function runWithSteppingClock(args: readonly string[], environment: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'scout-clock-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  writeFileSync(join(folder, 'clock.c'), steppingClock)
  execFileSync('cc', ['-shared', '-fPIC', '-o', 'clock.so', 'clock.c'], { cwd: folder })
  const preload = [process.env['LD_PRELOAD'], join(folder, 'clock.so')].filter(Boolean).join(' ')
  return execFileSync(process.execPath, args, {
    cwd: folder,
    encoding: 'utf8',
    env: { ...process.env, LD_PRELOAD: preload, ...environment },
  })
}
