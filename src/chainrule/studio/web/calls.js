// Calls of a host that wait for their answers: a message to the other side has a number, and its answer has the same.

export function createCalls() {
  const waiting = new Map();
  let number = 0;
  return {
    // Sends a message by its number, and promises the answer.
    ask(send) {
      const id = ++number;
      return new Promise((resolve, reject) => {
        waiting.set(id, { resolve, reject });
        send(id);
      });
    },
    settle({ id, error, answer }) {
      const asked = waiting.get(id);
      if (!asked) return;
      waiting.delete(id);
      if (error === undefined) asked.resolve(answer);
      else asked.reject(new Error(error));
    },
    // The other side is gone; screens leave 'lost' to the message of that.
    lose(error = 'lost') {
      for (const { reject } of waiting.values()) reject(new Error(error));
      waiting.clear();
    },
    get count() { return waiting.size; },
  };
}
