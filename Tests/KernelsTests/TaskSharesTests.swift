import Kernels
import Testing

@Suite struct TaskSharesTests {
  private func tasks(of shares: TaskShares, as worker: Int) -> [Int] {
    var order: [Int] = []
    shares.run(as: worker) { task, runner in
      #expect(runner == worker)
      order.append(task)
    }
    return order
  }

  @Test func eachBeginsWithItsOwn() {
    let shares = TaskShares(workers: 4)
    for worker in 0..<4 {
      // 0 and 1, 2 to 4, 5 and 6, 7 to 9.
      shares.deal(10)
      let first = [0, 2, 5, 7][worker]
      #expect(tasks(of: shares, as: worker) == (0..<10).map { (first + $0) % 10 })
    }
  }

  @Test func nothingIsLeftForWhoComesLate() {
    let shares = TaskShares(workers: 3)
    shares.deal(7)
    #expect(tasks(of: shares, as: 2).sorted() == Array(0..<7))
    #expect(tasks(of: shares, as: 0) == [])
    shares.deal(2)
    #expect(tasks(of: shares, as: 0).sorted() == [0, 1])
    shares.deal(0)
    #expect(tasks(of: shares, as: 1) == [])
  }

  @Test func tasksAreTakenOnce() async {
    let shares = TaskShares(workers: 4)
    for count in [1, 3, 4, 5, 1000, 100_000] {
      shares.deal(count)
      let taken = await withTaskGroup(of: [Int].self) { group in
        for worker in 0..<4 {
          group.addTask {
            var own: [Int] = []
            shares.run(as: worker) { task, _ in own.append(task) }
            return own
          }
        }
        return await group.reduce(into: []) { $0 += $1 }
      }
      #expect(taken.sorted() == Array(0..<count))
    }
  }
}
