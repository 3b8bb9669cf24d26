'use strict'

/**
 * Whether this Node can run busline. If not, the pinned Node of the checkout runs the same command line; without one (in an
 * installed package), one sentence says which version is needed.
 */
exports.ready = function () {
  var version = process.versions.node.split('.').map(Number)
  if (version[0] > 22 || (version[0] === 22 && version[1] >= 13)) return true
  var pinned = require('path').join(__dirname, '..', 'node_modules', 'node', 'bin', 'node')
  if (require('fs').existsSync(pinned)) rerun(pinned)
  else exports.refuse('busline needs Node 22.13 or newer, this is ' + process.version, 'nvm install 24')
  return false
}

exports.refuse = function (sentence, hint) {
  console.error('bus: ' + sentence + '\n  try: ' + hint)
  process.exitCode = 1
}

function rerun(node) {
  var child = require('child_process').spawn(node, process.argv.slice(1), {stdio: 'inherit'})
  // `ps` would show a login among the arguments; the child hides its own.
  process.title = 'bus'
  var tty = require('tty')
  var typed = tty.isatty(0) || tty.isatty(1) || tty.isatty(2)

  // Ctrl-C on a terminal reaches the child as well; a signal from another process reaches only us.
  function interrupt() {
    if (!typed) child.kill('SIGINT')
  }
  function terminate() {
    child.kill('SIGTERM')
  }

  process.on('SIGINT', interrupt)
  process.on('SIGTERM', terminate)
  child.on('error', function (error) {
    exports.refuse('cannot run the pinned Node: ' + error.message, 'npm ci')
  })
  child.on('exit', function (code, signal) {
    process.removeListener('SIGINT', interrupt)
    process.removeListener('SIGTERM', terminate)
    if (signal) process.kill(process.pid, signal)
    else process.exitCode = code
  })
}
