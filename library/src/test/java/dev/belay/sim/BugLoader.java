// SPDX-License-Identifier: Apache-2.0
package dev.belay.sim;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.classfile.ClassFile;
import java.lang.classfile.ClassTransform;
import java.lang.classfile.CodeBuilder;
import java.lang.classfile.CodeElement;
import java.lang.classfile.Opcode;
import java.lang.classfile.TypeKind;
import java.lang.classfile.instruction.ConstantInstruction;
import java.lang.classfile.instruction.InvokeInstruction;
import java.lang.constant.ClassDesc;
import java.lang.constant.ConstantDescs;
import java.lang.constant.MethodTypeDesc;

/**
 * Loads all of our classes once more, with a bug in one method of one of them: so the code that is
 * shipped can be broken for a proof without a place in it that would allow that.
 */
final class BugLoader extends ClassLoader {
  private final String type;
  private final String method;
  private final Change change;
  private boolean isPlanted;

  /** What becomes of an instruction. */
  interface Change {
    /** Answers whether it has dealt with the element, and builds what comes in its place. */
    boolean apply(CodeBuilder code, CodeElement element);
  }

  BugLoader(String type, String method, Change change) {
    super(BugLoader.class.getClassLoader());
    this.type = type;
    this.method = method;
    this.change = change;
  }

  /** Calls of a method are left out; where an answer is expected, it is 0, false or null. */
  static Change without(String called) {
    return instead(called, 0);
  }

  /** Calls of a method answer this, and do nothing. */
  static Change instead(String called, int answer) {
    return (code, element) -> {
      if (!(element instanceof InvokeInstruction call) || !call.name().equalsString(called)) {
        return false;
      }
      MethodTypeDesc shape = call.typeSymbol();
      for (ClassDesc argument : shape.parameterList().reversed()) {
        pop(code, argument);
      }
      if (call.opcode() != Opcode.INVOKESTATIC) {
        code.pop();
      }
      ClassDesc result = shape.returnType();
      if (!result.equals(ConstantDescs.CD_void)) {
        push(code, TypeKind.from(result), answer);
      }
      return true;
    };
  }

  private static void pop(CodeBuilder code, ClassDesc type) {
    if (TypeKind.from(type).slotSize() == 2) {
      code.pop2();
    } else {
      code.pop();
    }
  }

  private static void push(CodeBuilder code, TypeKind kind, int answer) {
    switch (kind) {
      case LONG -> code.loadConstant((long) answer);
      case REFERENCE -> code.aconst_null();
      default -> code.loadConstant(answer);
    }
  }

  /** A constant is another one, wherever the method has it. */
  static Change constant(Number is, Number becomes) {
    return (code, element) -> {
      if (!(element instanceof ConstantInstruction constant)
          || !is.equals(constant.constantValue())) {
        return false;
      }
      if (becomes instanceof Long wide) {
        code.loadConstant(wide.longValue());
      } else {
        code.loadConstant(becomes.intValue());
      }
      return true;
    };
  }

  /** Whether the bug was found a place. */
  boolean isPlanted() {
    return isPlanted;
  }

  @Override
  protected Class<?> loadClass(String name, boolean resolve) throws ClassNotFoundException {
    if (!name.startsWith("dev.belay.")) {
      return super.loadClass(name, resolve);
    }
    synchronized (getClassLoadingLock(name)) {
      Class<?> found = findLoadedClass(name);
      return found != null ? found : define(name);
    }
  }

  private Class<?> define(String name) throws ClassNotFoundException {
    String file = name.replace('.', '/') + ".class";
    try (InputStream in = getParent().getResourceAsStream(file)) {
      if (in == null) {
        throw new ClassNotFoundException(name);
      }
      byte[] bytes = in.readAllBytes();
      byte[] loaded = name.equals("dev.belay." + type) ? plant(bytes) : bytes;
      return defineClass(name, loaded, 0, loaded.length);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private byte[] plant(byte[] bytes) {
    ClassFile file = ClassFile.of();
    return file.transformClass(
        file.parse(bytes),
        ClassTransform.transformingMethodBodies(
            candidate -> candidate.methodName().equalsString(method),
            (code, element) -> {
              if (change.apply(code, element)) {
                isPlanted = true;
              } else {
                code.with(element);
              }
            }));
  }
}
