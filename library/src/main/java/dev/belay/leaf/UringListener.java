// SPDX-License-Identifier: Apache-2.0
package dev.belay.leaf;

import static dev.belay.uring.SocketCalls.AF_INET;
import static dev.belay.uring.SocketCalls.AF_INET6;
import static dev.belay.uring.SocketCalls.AF_UNIX;

import dev.belay.Timers;
import dev.belay.net.Address;
import dev.belay.net.KeepAlive;
import dev.belay.net.Sockets;
import dev.belay.net.Wire;
import dev.belay.uring.Abi;
import dev.belay.uring.Errno;
import dev.belay.uring.Kernel;
import dev.belay.uring.SocketCalls;
import dev.belay.uring.SocketEntries;
import dev.belay.uring.SocketName;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.UnknownHostException;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * An open address, whose connections the ring accepts: one entry for all of them, where the kernel
 * can, else one for each. Where there are no descriptors left it waits a little, and says so once.
 */
final class UringListener implements Sockets.Listener, SocketOwner {
  /** Ready before it is needed, as there are no descriptors left to read its settings then. */
  private static final System.Logger LOG = System.getLogger("dev.belay");

  private static final int BACKLOG = 1024;
  private static final long PAUSE_NANOS = 100_000_000;

  /** Descriptors kept for the moment when there are no others, in which something must be said. */
  private static final int RESERVE = 4;

  private final UringSockets sockets;
  private final int fd;
  private final Address address;
  private final @Nullable UnixFile file;
  private final Consumer<Wire> accepted;
  private final AtomicBoolean isClosed = new AtomicBoolean();
  private @Nullable SocketOp op;
  private Timers.@Nullable Timer pause;
  private boolean acceptsMany = true;
  private boolean hasComplained;
  private boolean isGone;
  private final int[] reserve = new int[RESERVE];

  private UringListener(
      UringSockets sockets,
      int fd,
      Address address,
      @Nullable UnixFile file,
      Consumer<Wire> accepted) {
    this.sockets = sockets;
    this.fd = fd;
    this.address = address;
    this.file = file;
    this.accepted = accepted;
    fillReserve();
  }

  private void fillReserve() {
    for (int i = 0; i < RESERVE; i++) {
      reserve[i] = Kernel.eventfd();
    }
  }

  private void emptyReserve() {
    for (int i = 0; i < RESERVE; i++) {
      if (reserve[i] >= 0) {
        Kernel.close(reserve[i]);
        reserve[i] = -1;
      }
    }
  }

  // --- Opening: any thread ---

  static UringListener open(
      UringSockets sockets, Address address, int unixMode, Consumer<Wire> accepted)
      throws IOException {
    return switch (address) {
      case Address.Unix unix -> openUnix(sockets, unix, unixMode, accepted);
      case Address.Tcp tcp -> openTcp(sockets, tcp, accepted);
    };
  }

  private static UringListener openUnix(
      UringSockets sockets, Address.Unix address, int mode, Consumer<Wire> accepted)
      throws IOException {
    String path = address.path();
    byte[] name;
    try {
      name = SocketName.unix(path);
    } catch (IllegalArgumentException e) {
      throw new IOException(e.getMessage(), e);
    }
    UnixFile.clear(path);
    int fd = newSocket(address, AF_UNIX);
    try {
      // The file's mode will be this one without the bits of the umask: never more than asked for.
      check(address, "fchmod", SocketCalls.fchmod(fd, mode));
      check(address, "bind", SocketCalls.bind(fd, name));
      UnixFile file = UnixFile.at(path);
      UnixFile.setMode(Path.of(path), mode);
      check(address, "listen", SocketCalls.listen(fd, BACKLOG));
      return new UringListener(sockets, fd, address, file, accepted);
    } catch (IOException e) {
      Kernel.close(fd);
      throw e;
    }
  }

  private static UringListener openTcp(
      UringSockets sockets, Address.Tcp address, Consumer<Wire> accepted) throws IOException {
    boolean isAll = address.host().isEmpty();
    InetAddress host;
    try {
      host = InetAddress.getByName(isAll ? "::" : address.host());
    } catch (UnknownHostException e) {
      throw new IOException(address + ": the host " + address.host() + " is not known", e);
    }
    byte[] name = SocketName.inet(host, address.port());
    int fd = SocketCalls.socket(SocketName.family(name));
    if (fd == -Errno.EAFNOSUPPORT && isAll) {
      name = SocketName.inet(InetAddress.getByName("0.0.0.0"), address.port());
      fd = newSocket(address, AF_INET);
    }
    check(address, "socket", fd);
    try {
      SocketCalls.setOption(fd, SocketCalls.SOL_SOCKET, SocketCalls.SO_REUSEADDR, 1);
      if (SocketName.family(name) == AF_INET6) {
        int only = isAll ? 0 : 1;
        SocketCalls.setOption(fd, SocketCalls.IPPROTO_IPV6, SocketCalls.IPV6_V6ONLY, only);
      }
      setOptions(fd, sockets.keepAlive()); // which its connections inherit
      long start = System.nanoTime();
      int bound = SocketCalls.bind(fd, name);
      while (bound == -Errno.EADDRINUSE && UnixFile.mayEndSoon(start)) {
        bound = SocketCalls.bind(fd, name);
      }
      check(address, "bind", bound);
      check(address, "listen", SocketCalls.listen(fd, BACKLOG));
      InetSocketAddress own = SocketName.inet(SocketCalls.ownName(fd));
      Address at = own == null ? address : new Address.Tcp(address.host(), own.getPort());
      return new UringListener(sockets, fd, at, null, accepted);
    } catch (IOException e) {
      Kernel.close(fd);
      throw e;
    }
  }

  /** What every TCP connection has. */
  static void setOptions(int fd, KeepAlive keep) {
    int tcp = SocketCalls.IPPROTO_TCP;
    SocketCalls.setOption(fd, tcp, SocketCalls.TCP_NODELAY, 1);
    SocketCalls.setOption(fd, SocketCalls.SOL_SOCKET, SocketCalls.SO_KEEPALIVE, 1);
    SocketCalls.setOption(fd, tcp, SocketCalls.TCP_KEEPIDLE, keep.idleSeconds());
    SocketCalls.setOption(fd, tcp, SocketCalls.TCP_KEEPINTVL, keep.intervalSeconds());
    SocketCalls.setOption(fd, tcp, SocketCalls.TCP_KEEPCNT, keep.probes());
    SocketCalls.setOption(fd, tcp, SocketCalls.TCP_USER_TIMEOUT, keep.unansweredMillis());
  }

  private static int newSocket(Address address, int family) throws IOException {
    int fd = SocketCalls.socket(family);
    check(address, "socket", fd);
    return fd;
  }

  private static void check(Address address, String call, int result) throws IOException {
    if (result == -Errno.EADDRINUSE) {
      throw new IOException(address + " is in use: another program listens at it");
    }
    if (result == -Errno.ENOENT && address instanceof Address.Unix) {
      throw new IOException(address + ": its directory does not exist");
    }
    if (result < 0) {
      throw new IOException(
          "cannot listen at " + address + ", " + call + ": " + Errno.sentence(result));
    }
  }

  // --- The loop's thread ---

  void start() {
    if (isClosed.get() || sockets.isOver()) {
      farewell();
      return;
    }
    SocketOp made = sockets.newOp(this);
    op = made;
    sockets.submit(made);
  }

  @Override
  public void prepare(SocketEntries entries, SocketOp op, long token) {
    entries.accept(fd, acceptsMany, token);
  }

  @Override
  public void answered(SocketOp op, int result, int flags) {
    if (result >= 0) {
      hasComplained = false;
      if (isClosed.get()) {
        sockets.close(result);
      } else {
        take(op, result, flags);
        return;
      }
    }
    acceptNext(op, result, flags);
  }

  /** A connection; the next is waited for whatever becomes of this one. */
  private void take(SocketOp op, int connection, int flags) {
    try {
      UringWire wire = sockets.adopt(connection, peerOf(connection));
      if (wire != null) {
        accepted.accept(wire);
      }
    } finally {
      acceptNext(op, connection, flags);
    }
  }

  private void acceptNext(SocketOp op, int result, int flags) {
    if ((flags & Abi.CQE_F_MORE) != 0) {
      return;
    }
    if (isClosed.get()) {
      settle();
    } else if (result == -Errno.EINVAL && acceptsMany) {
      acceptsMany = false;
      sockets.submit(op);
    } else if (result >= 0 || result == -Errno.ECONNABORTED) {
      sockets.submit(op);
    } else if (UringSockets.isToRepeat(result)) {
      sockets.repeat(op);
    } else {
      pause(op, result);
    }
  }

  private void pause(SocketOp op, int result) {
    if (!hasComplained) {
      hasComplained = true;
      String sentence =
          address + ": new connections have to wait, accept: " + Errno.sentence(result);
      emptyReserve();
      LOG.log(System.Logger.Level.WARNING, sentence);
      fillReserve();
    }
    Timers.Timer timer = pause;
    if (timer == null) {
      timer = sockets.loop().timers().newTimer(() -> goOn(op));
      pause = timer;
    }
    timer.set(sockets.loop().clock().after(PAUSE_NANOS));
  }

  private void goOn(SocketOp op) {
    if (!isClosed.get()) {
      sockets.submit(op);
    }
  }

  /** Who is at the other end, for people. */
  static String peerOf(int fd) {
    byte[] name = SocketCalls.peerName(fd);
    InetSocketAddress peer = SocketName.inet(name);
    if (peer == null) {
      int pid = SocketCalls.peerPid(fd);
      return pid > 0 ? "a local program, " + pid : "a local program";
    }
    return new Address.Tcp(peer.getAddress().getHostAddress(), peer.getPort()).toString();
  }

  // --- Closing ---

  @Override
  public Address address() {
    return address;
  }

  @Override
  public void close() {
    if (isClosed.compareAndSet(false, true)) {
      if (file != null) {
        file.remove();
      }
      SocketCalls.shutdown(fd); // nobody gets in from now on
      sockets.loop().execute(this::shut);
    }
  }

  /** It was never started. */
  void abandon() {
    if (isClosed.compareAndSet(false, true)) {
      if (file != null) {
        file.remove();
      }
      release();
    }
  }

  private void shut() {
    SocketOp started = op;
    if (started == null) {
      release();
      return;
    }
    if (pause != null) {
      pause.cancel();
    }
    sockets.stop(started);
    if (started.isIdle()) {
      sockets.soon(this::settle);
    }
  }

  @Override
  public void settle() {
    SocketOp started = op;
    if (isClosed.get() && started != null && started.isIdle()) {
      op = null;
      sockets.drop(started);
      release();
    }
  }

  private void release() {
    if (!isGone) {
      isGone = true;
      emptyReserve();
      Kernel.close(fd);
    }
  }

  @Override
  public void farewell() {
    if (isClosed.compareAndSet(false, true) && file != null) {
      file.remove();
    }
    shut();
  }
}
