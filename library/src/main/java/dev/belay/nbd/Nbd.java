// SPDX-License-Identifier: Apache-2.0
package dev.belay.nbd;

/**
 * The numbers of the protocol, under the names of doc/proto.md without the prefix (EXTENDED_HEADERS
 * from the branch extension-ext-header), and words for them in messages.
 */
public final class Nbd {
  /** What servers say first: {@code NBDMAGIC}. */
  public static final long INIT_PASSWD = 0x4e42444d41474943L;

  /** {@code IHAVEOPT}: the second word of a newstyle server, and before each option. */
  public static final long OPTION_MAGIC = 0x49484156454F5054L;

  /** The second word of an oldstyle server. */
  public static final long OLDSTYLE_MAGIC = 0x00420281861253L;

  /** Before each reply to an option. */
  public static final long OPTION_REPLY_MAGIC = 0x3e889045565a9L;

  public static final int REQUEST_MAGIC = 0x25609513;
  public static final int SIMPLE_REPLY_MAGIC = 0x67446698;
  public static final int STRUCTURED_REPLY_MAGIC = 0x668e33ef;
  public static final int EXTENDED_REQUEST_MAGIC = 0x21e41c71;
  public static final int EXTENDED_REPLY_MAGIC = 0x6e8a278c;

  /** The port that IANA gave the protocol. */
  public static final int PORT = 10_809;

  /** No name, description or message may be longer, in bytes of UTF-8. */
  public static final int STRING_BYTES = 4096;

  /** What follows the answer to EXPORT_NAME where the client did not forgo it. */
  public static final int ZEROES_BYTES = 124;

  /** What a payload may have where nothing was said, and what is never an attack: 32 MiB. */
  public static final int DEFAULT_PAYLOAD_BYTES = 1 << 25;

  // Handshake flags of the server, and the same of the client.
  public static final int FLAG_FIXED_NEWSTYLE = 1;
  public static final int FLAG_NO_ZEROES = 1 << 1;
  public static final int FLAG_C_FIXED_NEWSTYLE = 1;
  public static final int FLAG_C_NO_ZEROES = 1 << 1;

  // Transmission flags: what an export can.
  public static final int FLAG_HAS_FLAGS = 1;
  public static final int FLAG_READ_ONLY = 1 << 1;
  public static final int FLAG_SEND_FLUSH = 1 << 2;
  public static final int FLAG_SEND_FUA = 1 << 3;
  public static final int FLAG_ROTATIONAL = 1 << 4;
  public static final int FLAG_SEND_TRIM = 1 << 5;
  public static final int FLAG_SEND_WRITE_ZEROES = 1 << 6;
  public static final int FLAG_SEND_DF = 1 << 7;
  public static final int FLAG_CAN_MULTI_CONN = 1 << 8;
  public static final int FLAG_SEND_RESIZE = 1 << 9;
  public static final int FLAG_SEND_CACHE = 1 << 10;
  public static final int FLAG_SEND_FAST_ZERO = 1 << 11;
  public static final int FLAG_BLOCK_STATUS_PAYLOAD = 1 << 12;

  public static final int OPT_EXPORT_NAME = 1;
  public static final int OPT_ABORT = 2;
  public static final int OPT_LIST = 3;
  public static final int OPT_PEEK_EXPORT = 4;
  public static final int OPT_STARTTLS = 5;
  public static final int OPT_INFO = 6;
  public static final int OPT_GO = 7;
  public static final int OPT_STRUCTURED_REPLY = 8;
  public static final int OPT_LIST_META_CONTEXT = 9;
  public static final int OPT_SET_META_CONTEXT = 10;
  public static final int OPT_EXTENDED_HEADERS = 11;

  public static final int REP_ACK = 1;
  public static final int REP_SERVER = 2;
  public static final int REP_INFO = 3;
  public static final int REP_META_CONTEXT = 4;

  /** The bit that all error replies to options have. */
  public static final int REP_FLAG_ERROR = 1 << 31;

  public static final int REP_ERR_UNSUP = REP_FLAG_ERROR | 1;
  public static final int REP_ERR_POLICY = REP_FLAG_ERROR | 2;
  public static final int REP_ERR_INVALID = REP_FLAG_ERROR | 3;
  public static final int REP_ERR_PLATFORM = REP_FLAG_ERROR | 4;
  public static final int REP_ERR_TLS_REQD = REP_FLAG_ERROR | 5;
  public static final int REP_ERR_UNKNOWN = REP_FLAG_ERROR | 6;
  public static final int REP_ERR_SHUTDOWN = REP_FLAG_ERROR | 7;
  public static final int REP_ERR_BLOCK_SIZE_REQD = REP_FLAG_ERROR | 8;
  public static final int REP_ERR_TOO_BIG = REP_FLAG_ERROR | 9;
  public static final int REP_ERR_EXT_HEADER_REQD = REP_FLAG_ERROR | 10;

  public static final int INFO_EXPORT = 0;
  public static final int INFO_NAME = 1;
  public static final int INFO_DESCRIPTION = 2;
  public static final int INFO_BLOCK_SIZE = 3;

  /** The one metadata context of the text. */
  public static final String BASE_ALLOCATION = "base:allocation";

  public static final int STATE_HOLE = 1;
  public static final int STATE_ZERO = 1 << 1;

  public static final int CMD_READ = 0;
  public static final int CMD_WRITE = 1;
  public static final int CMD_DISC = 2;
  public static final int CMD_FLUSH = 3;
  public static final int CMD_TRIM = 4;
  public static final int CMD_CACHE = 5;
  public static final int CMD_WRITE_ZEROES = 6;
  public static final int CMD_BLOCK_STATUS = 7;

  public static final int CMD_FLAG_FUA = 1;
  public static final int CMD_FLAG_NO_HOLE = 1 << 1;
  public static final int CMD_FLAG_DF = 1 << 2;
  public static final int CMD_FLAG_REQ_ONE = 1 << 3;
  public static final int CMD_FLAG_FAST_ZERO = 1 << 4;
  public static final int CMD_FLAG_PAYLOAD_LEN = 1 << 5;

  public static final int REPLY_FLAG_DONE = 1;

  public static final int REPLY_TYPE_NONE = 0;

  /** OFFSET_DATA of the text. */
  public static final int REPLY_TYPE_OFFSET_CONTENT = 1;

  public static final int REPLY_TYPE_OFFSET_HOLE = 2;
  public static final int REPLY_TYPE_BLOCK_STATUS = 5;
  public static final int REPLY_TYPE_BLOCK_STATUS_EXT = 6;

  /** The bit that all error chunks have. */
  public static final int REPLY_TYPE_FLAG_ERROR = 1 << 15;

  public static final int REPLY_TYPE_ERROR = REPLY_TYPE_FLAG_ERROR | 1;
  public static final int REPLY_TYPE_ERROR_OFFSET = REPLY_TYPE_FLAG_ERROR | 2;

  public static final int EPERM = 1;
  public static final int EIO = 5;
  public static final int ENOMEM = 12;
  public static final int EINVAL = 22;
  public static final int ENOSPC = 28;
  public static final int EOVERFLOW = 75;
  public static final int ENOTSUP = 95;
  public static final int ESHUTDOWN = 108;

  private Nbd() {}

  /** {@code GO}, or {@code option 77}. */
  public static String optionName(int option) {
    return switch (option) {
      case OPT_EXPORT_NAME -> "EXPORT_NAME";
      case OPT_ABORT -> "ABORT";
      case OPT_LIST -> "LIST";
      case OPT_PEEK_EXPORT -> "PEEK_EXPORT";
      case OPT_STARTTLS -> "STARTTLS";
      case OPT_INFO -> "INFO";
      case OPT_GO -> "GO";
      case OPT_STRUCTURED_REPLY -> "STRUCTURED_REPLY";
      case OPT_LIST_META_CONTEXT -> "LIST_META_CONTEXT";
      case OPT_SET_META_CONTEXT -> "SET_META_CONTEXT";
      case OPT_EXTENDED_HEADERS -> "EXTENDED_HEADERS";
      default -> "option " + Integer.toUnsignedString(option);
    };
  }

  /** {@code ERR_POLICY}, or {@code reply 77}, of the replies to options. */
  public static String optionReplyName(int reply) {
    return switch (reply) {
      case REP_ACK -> "ACK";
      case REP_SERVER -> "SERVER";
      case REP_INFO -> "INFO";
      case REP_META_CONTEXT -> "META_CONTEXT";
      case REP_ERR_UNSUP -> "ERR_UNSUP";
      case REP_ERR_POLICY -> "ERR_POLICY";
      case REP_ERR_INVALID -> "ERR_INVALID";
      case REP_ERR_PLATFORM -> "ERR_PLATFORM";
      case REP_ERR_TLS_REQD -> "ERR_TLS_REQD";
      case REP_ERR_UNKNOWN -> "ERR_UNKNOWN";
      case REP_ERR_SHUTDOWN -> "ERR_SHUTDOWN";
      case REP_ERR_BLOCK_SIZE_REQD -> "ERR_BLOCK_SIZE_REQD";
      case REP_ERR_TOO_BIG -> "ERR_TOO_BIG";
      case REP_ERR_EXT_HEADER_REQD -> "ERR_EXT_HEADER_REQD";
      default ->
          (reply < 0 ? "error reply " : "reply ") + Integer.toUnsignedString(reply & ~(1 << 31));
    };
  }

  /** {@code WRITE_ZEROES}, or {@code command 77}. */
  public static String commandName(int type) {
    return switch (type) {
      case CMD_READ -> "READ";
      case CMD_WRITE -> "WRITE";
      case CMD_DISC -> "DISC";
      case CMD_FLUSH -> "FLUSH";
      case CMD_TRIM -> "TRIM";
      case CMD_CACHE -> "CACHE";
      case CMD_WRITE_ZEROES -> "WRITE_ZEROES";
      case CMD_BLOCK_STATUS -> "BLOCK_STATUS";
      default -> "command " + type;
    };
  }

  /** {@code OFFSET_HOLE}, or {@code chunk type 77}. */
  public static String chunkName(int type) {
    return switch (type) {
      case REPLY_TYPE_NONE -> "NONE";
      case REPLY_TYPE_OFFSET_CONTENT -> "OFFSET_DATA";
      case REPLY_TYPE_OFFSET_HOLE -> "OFFSET_HOLE";
      case REPLY_TYPE_BLOCK_STATUS -> "BLOCK_STATUS";
      case REPLY_TYPE_BLOCK_STATUS_EXT -> "BLOCK_STATUS_EXT";
      case REPLY_TYPE_ERROR -> "ERROR";
      case REPLY_TYPE_ERROR_OFFSET -> "ERROR_OFFSET";
      default -> "chunk type " + type;
    };
  }
}
