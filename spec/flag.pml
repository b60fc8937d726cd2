// SPDX-License-Identifier: Apache-2.0
/*
 * A flag goes up while bios of it are being parked, sent on, completed and used again.
 *
 * Each loop holds one request of one flag, CHILD, below another, ROOT, which has a deadline. Any of
 * the two is raised, or none. The request is parked in one device after another, and goes on from
 * each if ENV lets it; then its bio is used again for a later request, whose flag, LATER, nobody
 * raises. Spin finds each loop that waits for ever as an invalid end state; as no run can go round
 * in a circle, which is checked as well, each request of each run ends.
 *
 * What mirrors what
 *   state[f]             CancelFlag.state: 0 is DOWN or DOWN_LOOK_UP, else the reason
 *   head[f], next[w]     CancelFlag.watches, Watch.nextOfFlag
 *   publish, unpublish   CancelFlag.publish, unpublish: what isChanging locks is one step
 *   inMailbox[w]         Watch.inMailbox
 *   above[w], child[w]   Watch.above, firstChild (a flag here has one child at most)
 *   holds[w]             Watch.firstBio (a loop here has one bio)
 *   bioWatch[l]          Bio.watch
 *   mail[l]              Loop.mailbox: mailbox.pml and sleep.pml look into it
 *   look()               CancelFlag.isRaised, lookUp, latch
 *   raise()              CancelFlag.raise
 *   park()               Parked.park, Bio.watch, Watch.add, Watch.on
 *   unwatch()            Bio.unwatch, Watch.remove, releaseIfEmpty, release
 *   deliver()            Watch.deliver, Bio.wakeHolder, Parked.flagRaised
 *
 * Memory. Spin interleaves steps on one memory, so it has no store that others see late. The code
 * relies on there being none in two places: raise() stores `state` and then reads `watches`, and
 * publish() stores `watches` and then reads `state`. In the code the first is a compare-and-set, the
 * second is followed by a full fence, as the read is an opaque one. Here each of the two stores
 * can be sent through a buffer, which DRAIN empties at any later time: that is what the planted
 * bugs PLAIN_RAISE and NO_FENCE do. An opaque read may be late, but not go back in time: that
 * is an interleaving.
 *
 * What a lock protects is one step: others see nothing of it but the one store that they read
 * without the lock, to `head` or `next`. What touches the loop's own words only is none by itself.
 *
 * Left out: bios in numbers (a watch finds all of its own, on one thread), flags three deep (a
 * descent repeats what two do), what the devices do, and NEVER, which is not watched at all.
 */

#define ROOT 0
#define CHILD 1
#define LATER 2
#define FLAGS 3
#ifndef LOOPS
#define LOOPS 1
#endif
/* In how many devices a request waits, and whether its bio is used again. */
#ifndef ROUNDS
#define ROUNDS 2
#endif
/* With FLAT, CHILD is no child, and has no deadline above it. */
#ifdef FLAT
#define HAS_PARENT(f) false
#define NO_DEADLINE
#else
#define HAS_PARENT(f) (f == CHILD)
#endif

#define DOWN 0
#define EXPLICIT 1
#define DEADLINE 2

/* Watches are objects: each is made once. A loop needs five: two rounds of two, and a last one. */
#define PER_LOOP 5
#define WATCHES 11
#define NONE 0
#define LOOP_OF(w) (((w) - 1) / PER_LOOP)

byte state[FLAGS];
byte head[FLAGS];
byte next[WATCHES];
bool inMailbox[WATCHES];
byte above[WATCHES];
byte child[WATCHES];
bool holds[WATCHES];
byte flagOf[WATCHES];

byte bioWatch[LOOPS];
byte bioFlag[LOOPS];
byte made[LOOPS];
chan mail[LOOPS] = [PER_LOOP] of { byte };

/* What ENV decides: the deadline has passed; a parked bio may go on. */
bool isDue;
byte mayGo[LOOPS];

/* What was seen, for the laws. */
byte ends[LOOPS];
bool isTouched[LOOPS];
bool wasRaised[LOOPS];
bool isReturned[FLAGS];
bool willRaise[FLAGS];
byte reason[FLAGS];

/* One store under way, for the planted bugs. */
#if defined(NO_FENCE) || defined(PLAIN_RAISE)
bool isBuffered;
bool bufferIsState;
byte bufferAt;
byte bufferWord;

active proctype Drain() {
end:
  do
  :: atomic { isBuffered ->
      if
      :: bufferIsState -> state[bufferAt] = bufferWord
      :: else -> head[bufferAt] = bufferWord
      fi;
      isBuffered = false }
  od
}
#else
#define isBuffered false
#endif

/* Hands the watches of a flag to their loops. */
inline walk(f, w) {
  w = head[f];
  do
  :: w == NONE -> break
  :: else ->
      atomic {
        if
        :: !inMailbox[w] -> inMailbox[w] = true; mail[LOOP_OF(w)]!w
        :: else
        fi
      };
      w = next[w]
  od;
  w = NONE
}

inline raise(f, why, w) {
  if
#ifdef PLAIN_RAISE
  :: atomic { !isBuffered && state[f] == DOWN ->
      isBuffered = true; bufferIsState = true; bufferAt = f; bufferWord = why };
      walk(f, w)
#else
  :: atomic { state[f] == DOWN -> state[f] = why; reason[f] = why };
      walk(f, w)
#endif
  :: atomic { state[f] != DOWN ->
#ifdef FLAG_CLEARED
      state[f] = DOWN;
#endif
#ifdef LAST_REASON
      state[f] = why;
#endif
      skip }
  fi
}

/* One load. What was up once is up for ever, for the same reason: law 1. */
inline load(f, up) {
  atomic { up = state[f]; assert(reason[f] == DOWN || up == reason[f]) }
}

/* Whether the flag is up: one load of each, from below; a deadline that has passed raises. */
inline look(f, up, w) {
  load(f, up);
  if
  :: up == DOWN && HAS_PARENT(f) ->
      load(ROOT, up);
      if
      :: up == DOWN && isDue -> raise(ROOT, DEADLINE, w); load(ROOT, up)
      :: else
      fi;
      if
      :: up != DOWN ->
          atomic {
            if
            :: state[CHILD] == DOWN -> state[CHILD] = up; reason[CHILD] = up
            :: else
            fi
          }
      :: else
      fi
  :: else
  fi
}

inline publish(l, f, w) {
  atomic {
    made[l]++;
    w = l * PER_LOOP + made[l];
    flagOf[w] = f
  };
#ifdef UNLOCKED
  next[w] = head[f];
  head[f] = w
#else
  atomic { !isBuffered ->
    next[w] = head[f];
#ifdef NO_FENCE
    isBuffered = true; bufferIsState = false; bufferAt = f; bufferWord = w
#else
    head[f] = w
#endif
  }
#endif
}

inline unpublish(w, p) {
  atomic { !isBuffered ->
    p = head[flagOf[w]];
    if
    :: p == w -> head[flagOf[w]] = next[w]
    :: else ->
        do
        :: p == NONE || next[p] == w -> break
        :: else -> p = next[p]
        od;
        if
        :: p != NONE -> next[p] = next[w]
        :: else
        fi
    fi;
#ifdef NEXT_CLEARED
    next[w] = NONE;
#endif
    p = NONE
  }
}

/* The bio completes, and its end has run: law 2. */
inline complete(l) {
  assert(bioWatch[l] == NONE);
  ends[l]++;
  assert(ends[l] <= 1)
}

/* It completes clean: law 3. Only a request of a raised flag does: law 10. */
inline cancelClean(l) {
  atomic {
    assert(bioFlag[l] != LATER);
    assert(state[ROOT] != DOWN || state[CHILD] != DOWN);
    assert(!isTouched[l]);
    complete(l)
  }
}

inline unwatch(l, w, p) {
  if
  :: atomic { bioWatch[l] != NONE ->
      w = bioWatch[l];
#ifndef STALE_LINK
      holds[w] = false;
#endif
      bioWatch[l] = NONE };
      unpublish(w, p);
      if
      :: atomic { above[w] != NONE ->
          p = above[w];
          child[p] = NONE;
          above[w] = NONE;
          w = p };
          unpublish(w, p)
      :: else
      fi
  :: else
  fi;
  w = NONE
}

/* Watch.deliver calls this for each bio that it finds below it. */
inline wakeHolder(l, w, p) {
  unwatch(l, w, p);
  cancelClean(l)
}

inline park(l, up, w, p) {
#ifdef LOOK_BEFORE_PUBLISH
  look(bioFlag[l], up, w);
#endif
  publish(l, bioFlag[l], w);
  atomic { bioWatch[l] = w; holds[w] = true };
#ifndef NO_PARENT_WATCH
  if
  :: HAS_PARENT(bioFlag[l]) ->
      publish(l, ROOT, p);
      atomic { above[w] = p; child[p] = w; p = NONE }
  :: else
  fi;
#endif
#ifndef LOOK_BEFORE_PUBLISH
  look(bioFlag[l], up, w);
#endif
  if
  :: up != DOWN -> wakeHolder(l, w, p)
  :: else
  fi
}

inline deliver(l, m, up, w, p) {
  inMailbox[m] = false;
  look(flagOf[m], up, w);
  if
  :: up != DOWN && (holds[m] || (child[m] != NONE && holds[child[m]])) -> wakeHolder(l, w, p)
  :: else
  fi;
  m = NONE
}

/* The bio waits until mail wakes it, its timer goes off, or it may go on. */
inline waitHere(l, up, w, p, m) {
  do
  :: ends[l] == 1 -> break
  :: ends[l] == 0 && nempty(mail[l]) -> mail[l]?m; deliver(l, m, up, w, p)
  :: ends[l] == 0 && bioFlag[l] == CHILD && isDue && state[ROOT] == DOWN -> raise(ROOT, DEADLINE, w)
  :: atomic { ends[l] == 0 && mayGo[l] > 0 -> mayGo[l]-- };
#ifndef COMPLETED_TWICE
      unwatch(l, w, p);
#endif
      look(bioFlag[l], up, w);
      if
      :: up != DOWN -> cancelClean(l)
      :: else -> atomic { isTouched[l] = true; assert(!wasRaised[l]) }
      fi;
      break
  od
}

proctype Loop(byte l) {
  byte up;
  byte w;
  byte p;
  byte m;
  byte round;

  /* The checkpoint, then the devices that hold it back. */
  atomic { bioFlag[l] = CHILD; wasRaised[l] = isReturned[ROOT] || isReturned[CHILD] };
  look(CHILD, up, w);
  if
  :: up != DOWN -> cancelClean(l)
  :: else
  fi;
  do
  :: ends[l] == 1 || round == ROUNDS -> break
  :: atomic { ends[l] == 0 && round < ROUNDS -> round++; isTouched[l] = false };
      park(l, up, w, p);
      waitHere(l, up, w, p, m)
  od;
  if
  :: atomic { ends[l] == 0 -> complete(l) }
  :: else
  fi;

#ifndef NOT_AGAIN
  /* The same bio again, for a request that nobody stops: law 10. */
  atomic {
    ends[l] = 0; isTouched[l] = false; wasRaised[l] = false; bioFlag[l] = LATER; mayGo[l] = 0;
    up = DOWN; w = NONE; p = NONE
  };
  park(l, up, w, p);
  do
  :: mail[l]?m -> deliver(l, m, up, w, p); assert(ends[l] == 0)
  :: mayGo[l] = 1; break
  od;
  waitHere(l, up, w, p, m);
  atomic { assert(isTouched[l]); complete(l) }
#endif
}

proctype Raiser(byte f) {
  byte w;
  raise(f, EXPLICIT, w);
  isReturned[f] = true
}

/* A bio goes on while nobody asks it to stop, or perhaps; the deadline may pass. */
proctype Env() {
  if
  :: !willRaise[ROOT] && !willRaise[CHILD] ->
      atomic { mayGo[0] = ROUNDS; mayGo[LOOPS - 1] = ROUNDS }
  :: else ->
      do
      :: atomic { mayGo[0] < ROUNDS && bioFlag[0] != LATER -> mayGo[0]++ }
#if LOOPS > 1
      :: atomic { mayGo[1] < ROUNDS && bioFlag[1] != LATER -> mayGo[1]++ }
#endif
      :: break
      od
  fi;
#ifndef NO_DEADLINE
  if
  :: isDue = true
  :: skip
  fi
#endif
}

init {
  byte l;
  atomic {
    do
    :: l < LOOPS -> run Loop(l); l++
    :: else -> break
    od;
    if
#ifndef FLAT
    :: willRaise[ROOT] = true
    :: willRaise[ROOT] = true; willRaise[CHILD] = true
#endif
    :: willRaise[CHILD] = true
    :: skip
    fi;
    if
    :: willRaise[ROOT] -> run Raiser(ROOT)
    :: else
    fi;
    if
    :: willRaise[CHILD] -> run Raiser(CHILD)
    :: else
    fi;
    run Env()
  }
}
