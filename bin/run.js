#!/usr/bin/env node
// CommonJS in the oldest syntax: any Node has to be able to parse this file and report what is wrong.
'use strict'

var launch = require('./launch.js')
var main = require('path').join(__dirname, '..', 'dist', 'main.js')

if (!launch.ready()) {
  // The pinned Node runs the command, or the error is printed.
} else if (!require('fs').existsSync(main)) {
  launch.refuse('this checkout of busline is not built', 'npm run build')
} else {
  launch.enableCache()
  require(main)
}
