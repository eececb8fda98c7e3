#include "engine.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "responder.h"

enum {
  STACK_BYTES = 256 << 10,
  PACKET_BYTES = 65536,
  EVENTS = 32,
  /* Looks at what is awaited get rarer by this factor, down to one a second. */
  LOOK_FACTOR = 4,
  RETRY_MS = 5, /* while records wait for room in the ring */
};

static const int64_t longest_look_ns = 1000000000;

void series_end(struct engine *engine, struct series *series)
{
  timers_cancel(&engine->due, &series->due);
  engine->slots[series->slot] = NULL;
  free(series);
}

static bool has_slot(struct engine *engine, uint32_t slot)
{
  if (slot < engine->slot_count)
    return true;
  uint32_t count = engine->slot_count < 256 ? 256 : engine->slot_count;
  while (count <= slot)
    count *= 2;
  struct series **slots = realloc(engine->slots, count * sizeof *slots);
  if (slots == NULL)
    return false;
  memset(slots + engine->slot_count, 0, (count - engine->slot_count) * sizeof *slots);
  engine->slots = slots;
  engine->slot_count = count;
  return true;
}

static void watch(struct engine *engine, int fd, void *owner)
{
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = owner};

  if (epoll_ctl(engine->epoll, EPOLL_CTL_ADD, fd, &event) != 0)
    atomic_store(&engine->failed, errno);
}

/* Its answers wake the thread from now on: someone waits for each. */
static void make_prompt(struct lane *lane)
{
  lane->is_prompt = true;
  for (uint32_t i = 0; i < lane->socket_count; i++)
    watch(lane->engine, lane->sockets[i].timed.fd, &lane->sockets[i].timed);
}

static void add_series(struct engine *engine, struct series *series)
{
  struct record *record;
  int64_t at_ns = series->due.at_ns;

  if (has_slot(engine, series->slot) && timers_reserve(&engine->due, 1)) {
    engine->slots[series->slot] = series;
    series->round = series->interval_ns == 0 ? 0 : at_ns / series->interval_ns;
    if (series->interval_ns == 0 && !series->lane->is_prompt)
      make_prompt(series->lane);
    timers_set(&engine->due, &series->due, at_ns);
    return;
  }
  record = results_new(engine, series->id, true);
  if (record != NULL) {
    record->kind = RECORD_UNSENT;
    record->number = ENOMEM;
    results_add(engine, record, true);
  }
  free(series);
}

/* What was asked is not waited for any more. A question asked once may have ended meanwhile. */
static void remove_series(struct engine *engine, uint32_t slot)
{
  struct series *series = slot < engine->slot_count ? engine->slots[slot] : NULL;

  if (series == NULL)
    return;
  series_forget(series);
  series_end(engine, series);
}

static void remove_series_of(struct engine *engine, const struct lane *lane)
{
  for (uint32_t slot = 0; slot < engine->slot_count; slot++)
    if (engine->slots[slot] != NULL && engine->slots[slot]->lane == lane)
      remove_series(engine, slot);
}

static void carry_out(struct engine *engine, struct command *command)
{
  switch (command->kind) {
  case COMMAND_ADD:
    add_series(engine, command->series);
    break;
  case COMMAND_REMOVE:
    remove_series(engine, command->slot);
    break;
  case COMMAND_LANE:
    lane_begin(command->lane);
    command->lane->next = engine->lanes;
    engine->lanes = command->lane;
    break;
  case COMMAND_LANE_GONE:
    for (struct lane **at = &engine->lanes; *at != NULL; at = &(*at)->next) {
      if (*at != command->lane)
        continue;
      *at = command->lane->next;
      remove_series_of(engine, command->lane);
      lane_end(command->lane);
      break;
    }
    break;
  case COMMAND_RESPONDER:
    responder_begin(command->responder);
    command->responder->next = engine->responders;
    engine->responders = command->responder;
    watch(engine, command->responder->timed.fd, &command->responder->timed);
    break;
  case COMMAND_RESPONDER_GONE:
    for (struct responder **at = &engine->responders; *at != NULL; at = &(*at)->next) {
      if (*at != command->responder)
        continue;
      *at = command->responder->next;
      responder_free(command->responder);
      break;
    }
    pthread_mutex_lock(&engine->mutex);
    engine->responders_gone++;
    pthread_cond_signal(&engine->responder_gone);
    pthread_mutex_unlock(&engine->mutex);
    break;
  }
}

/* Returns false when the thread is to end. */
static bool carry_out_commands(struct engine *engine)
{
  pthread_mutex_lock(&engine->mutex);
  struct command *command = engine->first_command;
  bool is_stopping = engine->is_stopping;
  engine->first_command = NULL;
  engine->last_command = &engine->first_command;
  pthread_mutex_unlock(&engine->mutex);
  while (command != NULL) {
    struct command *next = command->next;

    carry_out(engine, command);
    free(command);
    command = next;
  }
  return !is_stopping;
}

/* Sockets with something to expect, those that wake the thread as well: a deadline is decided only after reading. */
static void read_awaited(struct engine *engine)
{
  for (struct lane *lane = engine->lanes; lane != NULL; lane = lane->next)
    for (uint32_t i = 0; i < lane->socket_count; i++)
      if (lane->sockets[i].pending > 0)
        read_socket(&lane->sockets[i]);
}

/* Late answers too, and whatever would fill the buffers of sockets that do not wake the thread. */
static void read_all(struct engine *engine)
{
  for (struct lane *lane = engine->lanes; lane != NULL; lane = lane->next)
    for (uint32_t i = 0; i < lane->socket_count; i++)
      read_socket(&lane->sockets[i]);
}

static bool is_due(const struct timer *timer, int64_t now_ns)
{
  return timer != NULL && timer->at_ns <= now_ns;
}

static void plan_look(struct engine *engine, int64_t now_ns)
{
  bool is_awaited = false;

  for (struct lane *lane = engine->lanes; lane != NULL; lane = lane->next)
    for (uint32_t i = 0; i < lane->socket_count; i++)
      is_awaited |= !lane->is_prompt && lane->sockets[i].pending > 0;
  if (engine->look_step_ns < longest_look_ns)
    engine->look_step_ns *= LOOK_FACTOR;
  engine->look_ns = is_awaited ? now_ns + engine->look_step_ns : INT64_MAX;
}

/* One turn: read, decide, send. Returns whether there is more to send at once. */
static bool turn(struct engine *engine, bool is_sending)
{
  int64_t now_ns = time_line_read();

  engine->memory->counts.turns++;
  if (is_due(timers_first(&engine->due), now_ns) && now_ns - engine->read_all_ns > longest_look_ns) {
    read_all(engine);
    engine->read_all_ns = now_ns;
  } else if (is_sending || engine->look_ns <= now_ns || is_due(timers_first(&engine->deadlines), now_ns)) {
    read_awaited(engine);
  }
  if (engine->look_ns <= now_ns)
    plan_look(engine, now_ns);
  /* What arrived by `now_ns` has been read. */
  expire(engine, now_ns);
  return send_due(engine, now_ns);
}

static int pause_ms(const struct engine *engine)
{
  int64_t until_ns = engine->look_ns;
  const struct timer *timers[] = {timers_first(&engine->due), timers_first(&engine->deadlines)};

  for (size_t i = 0; i < sizeof timers / sizeof *timers; i++)
    if (timers[i] != NULL && timers[i]->at_ns < until_ns)
      until_ns = timers[i]->at_ns;
  if (until_ns == INT64_MAX)
    return engine->first_waiting == NULL ? -1 : RETRY_MS;
  int64_t pause = until_ns - time_line_read();
  if (pause <= 0)
    return 0;
  int64_t ms = (pause + 999999) / 1000000;
  if (engine->first_waiting != NULL && ms > RETRY_MS)
    return RETRY_MS;
  return ms > 3600000 ? 3600000 : (int)ms;
}

static bool has_commands(struct engine *engine)
{
  pthread_mutex_lock(&engine->mutex);
  bool has_some = engine->first_command != NULL || engine->is_stopping;
  pthread_mutex_unlock(&engine->mutex);
  return has_some;
}

static void on_event(struct engine *engine, void *owner)
{
  uint64_t ignored;
  struct timed_socket *timed = owner;

  if (owner == NULL) {
    if (read(engine->wake, &ignored, sizeof ignored) < 0)
      return; /* another wake-up has read it */
  } else if (!responder_read(engine, timed)) {
    read_socket((struct lane_socket *)timed);
  }
}

static int wait_for_events(struct engine *engine, struct epoll_event *events, bool has_more)
{
  /* JavaScript wakes a sleeping thread only: so look for commands once more after saying so. */
  atomic_store(&engine->is_asleep, true);
  int pause = has_more || has_commands(engine) ? 0 : pause_ms(engine);
  int count = epoll_wait(engine->epoll, events, EVENTS, pause);
  int error = errno;

  atomic_store(&engine->is_asleep, false);
  if (count < 0 && error != EINTR)
    atomic_store(&engine->failed, error);
  return count;
}

static void *run(void *data)
{
  struct engine *engine = data;
  struct epoll_event events[EVENTS];
  bool has_more = false;

  while (atomic_load(&engine->failed) == 0) {
    int count = wait_for_events(engine, events, has_more);

    /* Before the commands, which may close what an event is about. */
    for (int i = 0; i < count; i++)
      on_event(engine, events[i].data.ptr);
    if (!carry_out_commands(engine))
      return NULL;
    has_more = turn(engine, has_more);
    results_flush(engine);
  }
  engine->notify(engine);
  pthread_mutex_lock(&engine->mutex);
  pthread_cond_signal(&engine->responder_gone);
  pthread_mutex_unlock(&engine->mutex);
  return NULL;
}

static int start_thread(struct engine *engine)
{
  pthread_attr_t attributes;
  sigset_t all, before;
  int error = pthread_attr_init(&attributes);

  if (error != 0)
    return error;
  pthread_attr_setstacksize(&attributes, STACK_BYTES);
  /* Signals are Node's business. */
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  error = pthread_create(&engine->thread, &attributes, run, engine);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&attributes);
  if (error == 0)
    pthread_setname_np(engine->thread, "scout-packets");
  return error;
}

static void free_all(struct engine *engine)
{
  struct command *command = engine->first_command;

  while (command != NULL) {
    struct command *next = command->next;

    free(command->series);
    if (command->kind == COMMAND_LANE)
      lane_free(command->lane);
    if (command->kind == COMMAND_RESPONDER)
      responder_free(command->responder);
    free(command);
    command = next;
  }
  for (uint32_t i = 0; i < engine->slot_count; i++)
    free(engine->slots[i]);
  while (engine->lanes != NULL) {
    struct lane *next = engine->lanes->next;

    lane_free(engine->lanes);
    engine->lanes = next;
  }
  while (engine->responders != NULL) {
    struct responder *next = engine->responders->next;

    responder_free(engine->responders);
    engine->responders = next;
  }
  free(engine->slots);
  questions_free(&engine->questions);
  timers_free(&engine->due);
  timers_free(&engine->deadlines);
  results_free(engine);
  timed_thread_stop(&engine->timed);
  if (engine->packets != NULL)
    munmap(engine->packets, BATCH * PACKET_BYTES);
  if (engine->epoll >= 0)
    close(engine->epoll);
  if (engine->wake >= 0)
    close(engine->wake);
  pthread_cond_destroy(&engine->responder_gone);
  pthread_mutex_destroy(&engine->mutex);
}

int engine_start(struct engine *engine)
{
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
  int error = random_start(&engine->random);

  engine->first_command = NULL;
  engine->last_command = &engine->first_command;
  engine->last_waiting = &engine->first_waiting;
  engine->look_ns = INT64_MAX;
  engine->epoll = -1;
  engine->wake = -1;
  timed_thread_start(&engine->timed);
  pthread_mutex_init(&engine->mutex, NULL);
  pthread_cond_init(&engine->responder_gone, NULL);
  /* The kernel allocates pages on first write, so room for the largest packets costs nothing until they arrive. */
  void *packets = mmap(NULL, BATCH * PACKET_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  engine->packets = packets == MAP_FAILED ? NULL : packets;
  if (engine->packets == NULL || !questions_start(&engine->questions, (uint32_t)random_next(&engine->random)))
    error = ENOMEM;
  else
    madvise(packets, BATCH * PACKET_BYTES, MADV_NOHUGEPAGE);
  if (error == 0 &&
      ((engine->epoll = epoll_create1(EPOLL_CLOEXEC)) < 0 || (engine->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0 ||
       epoll_ctl(engine->epoll, EPOLL_CTL_ADD, engine->wake, &event) != 0))
    error = errno;
  if (error == 0)
    error = start_thread(engine);
  if (error != 0)
    free_all(engine);
  return error;
}

void engine_stop(struct engine *engine)
{
  pthread_mutex_lock(&engine->mutex);
  engine->is_stopping = true;
  pthread_mutex_unlock(&engine->mutex);
  engine_wake(engine);
  pthread_join(engine->thread, NULL);
  free_all(engine);
}

void engine_command(struct engine *engine, struct command *command)
{
  command->next = NULL;
  pthread_mutex_lock(&engine->mutex);
  *engine->last_command = command;
  engine->last_command = &command->next;
  pthread_mutex_unlock(&engine->mutex);
}

void engine_wake(struct engine *engine)
{
  const uint64_t one = 1;

  if (atomic_load(&engine->is_asleep) && write(engine->wake, &one, sizeof one) < 0)
    return; /* it is being woken already */
}

void engine_close_responder(struct engine *engine, struct command *command)
{
  uint32_t gone = engine->responders_gone;

  engine_command(engine, command);
  engine_wake(engine);
  pthread_mutex_lock(&engine->mutex);
  while (engine->responders_gone == gone && atomic_load(&engine->failed) == 0)
    pthread_cond_wait(&engine->responder_gone, &engine->mutex);
  pthread_mutex_unlock(&engine->mutex);
}
